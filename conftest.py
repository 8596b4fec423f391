"""What holds for all tests: Ctrl-C means what it means in a terminal, also where the tests were started in the background."""

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # a shell ignores it for what it starts in the background, and every process that a test starts would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
