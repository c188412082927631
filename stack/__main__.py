"""`python -m stack`: what `./bookstore` hands over to."""

from stack.cli import main

if __name__ == "__main__":
    main()
