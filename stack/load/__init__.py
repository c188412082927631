"""Open-loop load through HAProxy, its history, and the audit of what became of every write."""
