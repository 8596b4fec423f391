"""`asyncio-trace run`: trace a program, then draw it and write what was asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import click

from asyncio_trace.cli import flight, outputs
from asyncio_trace.cli.durations import threshold_option
from asyncio_trace.cli.main import fail
from asyncio_trace.cli.target import Target, is_own_scenario, resolve
from asyncio_trace.errors import AsyncioTraceError, UsageError
from asyncio_trace.recording.limits import parse_when


class _RunCommand(click.Command):
    """Stops reading options at the target, also where that is `-m module` or `-c code`.

    Behind the name of a scenario of ours it goes on: those take no options of these names, so `run gather -o t.json` can mean
    one thing only.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        valued = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in (*option.opts, *option.secondary_opts)
        }
        at = 0
        while at < len(args):
            word = args[at]
            if not word.startswith("-") or word in ("-", "--"):
                break
            if word[1] in "mc":
                taken = 1 if len(word) > 2 else 2
                if taken == 2 and at + 1 >= len(args):
                    raise UsageError(f"{word} needs {'a module' if word == '-m' else 'code'} after it")
                value = word[2:] or args[at + 1]
                ctx.meta["asyncio_trace.target"] = (word[:2], value)
                args = [*args[:at], "--", *args[at + taken :]]
                break
            at += 2 if word in valued or _awaits_value(word, valued) else 1
        if at < len(args) and is_own_scenario(args[at]):
            ours, theirs = self._options_in(args[at + 1 :], valued)
            args = [*args[:at], *ours, *args[at:][:1], *theirs]
        return super().parse_args(ctx, args)

    def _options_in(self, words: list[str], valued: set[str]) -> tuple[list[str], list[str]]:
        """Words that are options of this command, with their values, and all others."""
        known = {name for option in self.params if isinstance(option, click.Option) for name in option.opts}
        ours: list[str] = []
        theirs: list[str] = []
        rest = iter(words)
        for word in rest:
            if word == "--":
                theirs += [word, *rest]
            elif word.partition("=")[0] in known or (word[:2] in known and not word.startswith("--")):
                ours.append(word)
                if word in valued or _awaits_value(word, valued):
                    value = next(rest, None)
                    if value is None:
                        raise UsageError(f"{word} needs a value after it")
                    ours.append(value)
            else:
                theirs.append(word)
        return ours, theirs


def _awaits_value(word: str, valued: set[str]) -> bool:
    """Whether the last of several short options in one word, as in `-qo`, takes the next word."""
    takers = [at for at, letter in enumerate(word) if at > 0 and f"-{letter}" in valued]
    return not word.startswith("--") and takers[:1] == [len(word) - 1]


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    from asyncio_trace.scenarios.registry import names

    found = [CompletionItem(name) for name in names() if name.startswith(incomplete)]
    return [*found, CompletionItem(incomplete, type="file")]


@click.command(
    cls=_RunCommand,
    context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"], "max_content_width": 100},
    options_metavar="[OPTIONS]",
)
@click.option(
    "-o", "--output", "paths", multiple=True, metavar="PATH", help="Write this too; the suffix decides what. Repeatable."
)
@click.option("--otlp", is_flag=True, help="Send spans to where the OTEL_EXPORTER_OTLP_* variables say, else to localhost.")
@click.option("--otlp-endpoint", metavar="URL", help="Send spans there.")
@click.option("-f", "--force", is_flag=True, help="Overwrite outputs that exist.")
@click.option("-q", "--quiet", is_flag=True, help="Draw nothing; say only what went wrong.")
@click.option("--open", "opened", is_flag=True, help="Open the viewer in the browser when the program has ended.")
@outputs.embed_source_option
@click.option("--loop", metavar="NAME", help="Loop to give the program: asyncio, uvloop, a plug-in's, or module:factory.")
@click.option("--core", default="auto", show_default=True, metavar="auto|native|python", help="Which core records.")
@click.option(
    "--children", is_flag=True, help="Trace child processes in Python too: forked, of multiprocessing, of subprocess."
)
@flight.options
@threshold_option
@click.argument("words", nargs=-1, metavar="TARGET [ARGS]...", type=click.UNPROCESSED, shell_complete=_complete)
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    otlp: bool,
    otlp_endpoint: str | None,
    force: bool,
    quiet: bool,
    opened: bool,
    embed_source: bool,
    loop: str | None,
    core: str,
    children: bool,
    ring: str | None,
    when: tuple[str, ...],
    block_threshold: int,
    words: tuple[str, ...],
) -> None:
    """Run TARGET and trace every event loop in it.

    TARGET is a scenario's name, a script, -m MODULE or -c CODE. All words after it belong to the program (but for OPTIONS
    behind the name of a scenario that comes with asyncio-trace). The program's output and exit status stay its own; the
    timeline is drawn on stderr.
    """
    import shutil

    flag, value = ctx.meta.get("asyncio_trace.target", (None, None))
    target = resolve(value if flag == "-m" else None, value if flag == "-c" else None, words)
    _check_core_and_loop(core, loop)
    outputs.check(paths, force=force)
    if otlp or otlp_endpoint is not None:
        outputs.check_endpoint(otlp_endpoint or "")
    endpoint = otlp_endpoint if otlp_endpoint is not None else "" if otlp else None
    wanted = flight.parse(ring, when)
    recording, temporary = _recording_path(target, paths, endpoint, stays=wanted is not None)
    if wanted is not None:
        flight.check(recording, force=force)
    asked = _Asked(paths, endpoint, quiet, force, block_threshold, wanted, children, opened, embed_source)
    try:
        status = _trace(target, recording, temporary, asked, core=core, loop=loop)
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    from asyncio_trace.cli import child

    child.end_like(status)


class _Asked(NamedTuple):
    """What is to come of the trace."""

    paths: tuple[str, ...]
    endpoint: str | None
    quiet: bool
    force: bool
    block_threshold: int
    ring: flight.Ring | None
    children: bool
    opened: bool
    """Show it in the browser."""
    embed_source: bool
    kept: bool = False
    """The recording stays in any case."""

    @property
    def elsewhere(self) -> bool:
        """Something other than a drawing was asked for."""
        return bool(self.paths) or self.endpoint is not None or self.kept


def _trace(target: Target, recording: str, temporary: str | None, asked: _Asked, **how: Any) -> int:
    """Run, draw, write; the exit status of `run` (minus a signal's number if one killed the program)."""
    from asyncio_trace.cli import child

    whole = asked.ring is not None or asked.children  # what is to be sent is known in the end only
    live = None if whole else outputs.live_sending(asked.endpoint)

    def started(pid: int) -> None:
        if live is not None:
            live.start(os.path.abspath(recording.replace("{pid}", str(pid))), pid)

    size, when = asked.ring or (None, [])
    group = os.urandom(8).hex()
    ended = child.run(
        target.words,
        recording=recording,
        started=started,
        argv=target.shown,
        force=asked.force,
        block_threshold_ns=asked.block_threshold,
        ring=size,
        when=when,
        group=group,
        children=asked.children,
        child=False,
        **how,
    )
    written = Path(recording.replace("{pid}", str(ended.pid)))
    failures: list[str] = []
    lost: list[str] = []
    made: list[Path] = []
    sent = live.finish() if live is not None else None
    if sent is not None and written.exists():
        asked = asked._replace(endpoint=None, kept=True)
        if sent.failure:
            lost.append(f"can't send spans: {sent.failure}")
        elif sent.dropped:
            lost.append(sent.summary)
        elif not asked.quiet:
            click.echo(sent.summary, err=True)
    if asked.ring is not None:
        made, failures = flight.recordings(written, asked.ring, group, force=asked.force)
        failures = [] if ended.unwritten else failures  # the tracer has said so
        written = made[-1] if made else written
    keep = temporary is None
    if made or (asked.ring is None and written.exists()):
        try:
            more = any(os.path.abspath(path) != os.path.abspath(written) for path in asked.paths)
            # else the recording, which may be huge, need not be read again
            if sent is None or more or asked.opened or not asked.quiet:
                failures += _present(written, asked)
        except AsyncioTraceError as error:
            failures.append(str(error))
        if temporary is not None and failures:
            keep = True
            written = _keep(written)
        if len(made) > 1 and not asked.quiet:
            lines = ["recordings, of which the last is drawn:", *(f"  {_shown(path)}" for path in made)]
            click.echo("\n".join(lines), err=True)
    elif not failures:
        failures += _explain_nothing(written, asked, group, told=ended.unwritten)
    failures += lost
    for failure in failures:
        fail(" ".join(failure.split("\n")))
    if failures and keep and written.exists() and (made or asked.ring is None):
        fail(f"the recording stays in {_shown(written)}")
    if (failures or ended.unwritten) and ended.status == 0:
        return 74
    return ended.status


def _explain_nothing(written: Path, asked: _Asked, group: str, *, told: bool) -> list[str]:
    """Why there is no recording, unless the tracer has told it; what of it is a failure."""
    if not written.parent.exists():
        return [f"the recording is lost: the program removed the folder {_shown(written.parent)}"]
    if told:
        return []
    if asked.ring is not None and not parse_when(asked.ring.when).exit:
        if not asked.quiet:
            fail(f"nothing happened that the ring was to be written on ({', '.join(asked.ring.when)}): there is no recording")
        return []
    from asyncio_trace.recording.group import recordings_of_children

    children, _ = recordings_of_children(written, group)
    if children:
        names = ", ".join(_shown(path) for path in children)
        fail(f"the program itself never imported asyncio; recordings of its children: {names}")
        return ["nothing was written: give one of these to asyncio-trace export"] if asked.elsewhere else []
    if asked.elsewhere:
        return ["the program never imported asyncio: there is nothing to write"]
    if not asked.quiet:
        fail("the program never imported asyncio: there is nothing to draw")
    return []


def _present(written: Path, asked: _Asked) -> list[str]:
    """Draw the recording and make the other outputs; what went wrong."""
    from asyncio_trace.model import load

    trace = load(written)
    if not trace.program.loops and not asked.elsewhere:
        written.unlink()
        if not asked.quiet:
            why = "no event loop ran" if trace.complete else "the program died before a word was recorded"
            fail(f"{why}: there is nothing to draw")
        return []
    paths = tuple(path for path in asked.paths if asked.ring is None or not path.endswith(outputs.RECORDING_SUFFIX))
    failures = outputs.write_all(trace, written, paths, asked.endpoint, embed_source=asked.embed_source)
    if not asked.quiet:
        from rich.console import Console

        from asyncio_trace.analysis.rules import find_all
        from asyncio_trace.terminal import draw

        try:
            draw(trace, Console(stderr=True), block_threshold_ns=asked.block_threshold, findings=find_all(trace))
        except (OSError, UnicodeError) as error:
            failures.append(f"the timeline could not be drawn: {error}")
        _say_what_next(written, asked.paths, asked.endpoint, failures, kept=asked.kept)
    if asked.opened:
        from asyncio_trace.cli import browser

        browser.show_run(trace, written, paths, embed_source=asked.embed_source)
    return failures


def _say_what_next(written: Path, paths: tuple[str, ...], endpoint: str | None, failures: list[str], *, kept: bool) -> None:
    lines = [f"wrote {path}" for path in paths if os.path.exists(path)]
    if endpoint is not None and not failures:
        lines.append("sent the spans to the collector")
    if not any(path.endswith(outputs.RECORDING_SUFFIX) for path in paths) and (not paths or endpoint is not None or kept):
        lines.append(f"recording: {_shown(written)}")
    if not paths:
        name = _shown(written)
        lines += [
            f"  asyncio-trace show {name}",
            f"  asyncio-trace view {name}",
            f"  asyncio-trace report {name}",
            f"  asyncio-trace export {name} -o timeline.json",
        ]
    click.echo("\n".join(lines), err=True)


def _recording_path(target: Target, paths: tuple[str, ...], endpoint: str | None, *, stays: bool) -> tuple[str, str | None]:
    """Where the program writes its recording, and the temporary folder that holds it if nobody asked for the file (and it need
    not stay).

    Raises:
        UsageError: The current folder takes no file.
    """
    import tempfile

    for path in paths:
        if path.endswith(outputs.RECORDING_SUFFIX):
            return path, None
    if paths and endpoint is None and not stays:
        folder = tempfile.mkdtemp(prefix="asyncio-trace-")
        return os.path.join(folder, default_name(target.name)), folder
    if not os.access(".", os.W_OK | os.X_OK):
        raise UsageError("the recording can't be written here: permission denied; give a path with -o FILE.atrace")
    return default_name(target.name), None


def default_name(name: str) -> str:
    """Name of a recording that got none; `{pid}` is for the program to fill in."""
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name).strip(".") or "program"
    return f"asyncio-trace-{safe}.{{pid}}{outputs.RECORDING_SUFFIX}"


def _keep(written: Path) -> Path:
    """Move a temporary recording to where the user finds it."""
    import shutil
    import tempfile

    try:
        return Path(shutil.move(written, Path.cwd() / written.name))
    except OSError:
        kept = Path(tempfile.mkdtemp(prefix="asyncio-trace-kept-")) / written.name
        return Path(shutil.move(written, kept))


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _check_core_and_loop(core: str, loop: str | None) -> None:
    """Raise `UsageError` for names that mean nothing here, before the program runs."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    from asyncio_trace.cli.main import nearest

    if core not in ("auto", "python"):
        from asyncio_trace.tracer.core import resolve as resolve_core

        resolve_core(core)
    if loop is None or ":" in loop:
        return
    known = sorted({entry.name for entry in entry_points(group="asyncio_trace.loops")} | {"asyncio", "uvloop"})
    if loop not in known:
        raise UsageError(f"no loop is called {loop!r}{nearest(loop, known)} (or give module:factory)")
    if loop == "uvloop" and find_spec("uvloop") is None:
        raise UsageError(f"uvloop is not installed for {sys.executable}; pip install 'asyncio-trace[uvloop]'")
