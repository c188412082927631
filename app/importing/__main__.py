"""Runs the command `import` by itself: `python -m app.importing FILE`."""

from app.importing.cli import main

main()
