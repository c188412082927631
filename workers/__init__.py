"""Celery's side of the program: slow and scheduled work."""
