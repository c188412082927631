"""Measured comparisons: each a ratio or a bound, taken in one run, with a table and a JSON file out."""
