"""The console of what a command prints on stdout."""

from __future__ import annotations

from rich.console import Console


class StdoutConsole(Console):
    """A console that takes a reader who has seen enough (`| head`) for success."""

    def on_broken_pipe(self) -> None:
        """Let the command end in peace."""
        raise BrokenPipeError
