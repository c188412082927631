"""Shows to an audience what the system does when something dies."""
