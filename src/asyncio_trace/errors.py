"""Errors that a user may meet: one line that says what is wrong and what to do, and the exit status that goes with it."""

from __future__ import annotations


class AsyncioTraceError(Exception):
    """Base of all errors raised on purpose. `str()` is the one line; `exit_status` follows the contract."""

    exit_status = 1


class UsageError(AsyncioTraceError):
    """The command or call asks for something that can't be: unknown name, existing file, missing folder."""

    exit_status = 2


class InputError(AsyncioTraceError):
    """A file to read is missing, broken, empty or not ours."""

    exit_status = 65


class OutputError(AsyncioTraceError):
    """An output could not be written or sent."""

    exit_status = 74
