"""`asyncio-trace repair`: a clean recording of what can be saved of a damaged one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import click

from asyncio_trace.cli import outputs
from asyncio_trace.errors import InputError, OutputError, UsageError


@contextmanager
def _readable(file: str) -> Iterator[str]:
    """A recording to read: the file itself, or one made of a ring's folder."""
    import tempfile

    from asyncio_trace.recording.ring import write_recording

    if not os.path.isfile(os.path.join(file, "header")):
        yield file
        return
    with tempfile.NamedTemporaryFile(suffix=outputs.RECORDING_SUFFIX) as whole:
        try:
            write_recording(Path(file), cast(BinaryIO, whole.file))
            whole.flush()
        except OSError as error:
            raise InputError(f"{file}: can't be read: {error.strerror or error}") from None
        yield whole.name


@click.command()
@click.argument("file", type=click.Path())
@click.option("-o", "--output", "path", required=True, metavar="PATH", help="Write the clean recording here.")
@click.option("-f", "--force", is_flag=True, help="Overwrite the output if it exists.")
def command(file: str, path: str, force: bool) -> None:
    """Save what can be read of the damaged recording FILE, and say how much was lost.

    FILE may be the folder FILE.atrace.ring that `run --ring` leaves if it is killed.
    """
    from asyncio_trace.exporters.timeline.atomic_file import bytes_written_whole
    from asyncio_trace.recording.reader import RecordingReader
    from asyncio_trace.recording.repair import repair

    if not path.endswith(outputs.RECORDING_SUFFIX):
        raise UsageError(f"{path}: a recording is what is written here; end its name in {outputs.RECORDING_SUFFIX}")
    if os.path.exists(path) and os.path.exists(file) and os.path.samefile(path, file):
        raise UsageError(
            f"{path} is the recording itself; take another name, it is all there is until you have seen what is saved"
        )
    outputs.check([path], force=force)
    with _readable(file) as readable, RecordingReader(readable) as reader:
        try:
            with bytes_written_whole(path) as out:
                saved = repair(reader, out)
                if not saved.records:
                    raise InputError(f"{file}: nothing can be saved: not one record can be read")
        except OSError as error:
            raise OutputError(f"{path} could not be written: {error.strerror or error}") from None
    places = f" in {saved.lost_places} places" if saved.lost_places > 1 else ""
    lost = f"lost {saved.lost_bytes:,} bytes{places}" if saved.lost_bytes else "nothing was lost"
    end = "" if saved.ended else "; it was cut before its end"
    click.echo(f"wrote {path}: {saved.records:,} record{'s' * (saved.records != 1)}, {lost}{end}")
