"""The bookstore's JSON API."""
