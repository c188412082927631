"""`python -m stack`: what `./bookstore` hands over to."""

import signal

if __name__ == "__main__":
    # Loading takes a second on a busy machine. Ctrl-C meanwhile ends us as it ends any program: in silence.
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from stack.cli import main

    signal.signal(signal.SIGINT, heard)
    main()
