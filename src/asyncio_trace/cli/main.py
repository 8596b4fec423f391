"""The command itself: finds the verb, imports it alone, and turns errors into one line and an exit status."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from asyncio_trace import __version__
from asyncio_trace.errors import AsyncioTraceError

_COMMANDS = {
    "run": "Run a scenario, a script, a module or code, and trace it.",
    "scenarios": "List the scenarios, and what each teaches.",
    "show": "Draw the timeline of a recording in the terminal.",
    "view": "Open a recording in the viewer, in the browser.",
    "report": "Say where the time of a recording went, and what is wrong.",
    "export": "Convert a recording, or send it to an OpenTelemetry collector.",
    "diff": "Say what got slower between two recordings.",
    "what-if": "Say what a run would have taken if something in it had been otherwise.",
    "repair": "Save what can be read of a damaged recording.",
}
"""Verb to help line; each is `command` in the module of its name."""


class _Verbs(click.Group):
    """Knows every verb, imports one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"asyncio_trace.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            raise click.UsageError(f"no command is called {args[0]!r}{nearest(args[0], _COMMANDS)}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def nearest(word: str, known: Any) -> str:
    """`; did you mean a, b?` for the known words nearest to `word`, else the way to all of them; for the end of an error."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f"; did you mean {', '.join(close)}?" if close else f"; there are: {', '.join(known)}" if len(known) < 12 else ""


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from asyncio_trace.tracer.core import resolve

        click.echo(f"asyncio-trace {__version__} ({resolve('auto')} core, Python {sys.version.split()[0]})")
        ctx.exit()


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and core."
)
def cli() -> None:
    """See what an asyncio event loop does: who runs, who waits on whom, who woke whom, and where the time went."""


def fail(message: str) -> None:
    """Say one line on stderr."""
    click.echo(f"asyncio-trace: {message}", err=True)


def main() -> None:
    """Run the command line and exit."""
    try:
        status = cli.main(standalone_mode=False, prog_name="asyncio-trace")
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        status = 2
    except click.ClickException as error:
        hint = f" (see {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        fail(" ".join(error.format_message().split()).rstrip(".") + hint)
        status = error.exit_code
    except click.Abort:
        status = 130
    except AsyncioTraceError as error:
        fail(" ".join(str(error).split("\n")))
        status = error.exit_status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read us has seen enough
        status = 0
    sys.exit(status)
