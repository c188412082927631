"""Finds books for words as people type them: understanding, vocabulary, ranking, facets, suggestions."""
