"""Sending from recordings that others write: `export --follow`, and `trace(..., otlp=...)`, which starts it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import asyncio_trace
from asyncio_trace.errors import OutputError, UsageError
from otlp.collectors import Collector
from otlp.test_otlp_live import DEADLINE_S, check_trees, until
from otlp.test_otlp_sending import free_port

pytestmark = pytest.mark.network


def follow(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `export --follow WORDS...`."""
    command = [sys.executable, "-m", "asyncio_trace", "export", "--follow", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


async def main() -> None:
    """Some tasks."""
    await asyncio.gather(*(asyncio.sleep(0.002) for _ in range(5)))


def test_a_block_is_sent(collector: Collector, tmp_path: Path) -> None:
    """After a traced block with `otlp` all its spans are with the collector, and the recording is where it was asked for."""
    with asyncio_trace.trace(tmp_path / "t.atrace", otlp=collector.url) as block:
        asyncio.run(main())
    assert block.path == tmp_path / "t.atrace"
    roots = check_trees(collector.spans)
    assert sorted(name.split(":")[0] for name in roots) == ["asyncio", "main"]
    assert sum(span.name == "sleep" for span in collector.spans) == 5
    assert len(asyncio_trace.load(tmp_path / "t.atrace").tasks) == 6


def test_the_variables_say_where(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`otlp=True` sends where the OTEL_* variables say, between `start` and `stop` too, and whatever is written beside."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    asyncio_trace.start(tmp_path / "t.json", otlp=True)
    asyncio.run(main())
    assert asyncio_trace.stop() == tmp_path / "t.json"
    assert check_trees(collector.spans)["main"] == 1


def test_disabled_sends_nothing(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED=true traces without sending."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with asyncio_trace.trace(tmp_path / "t.atrace", otlp=collector.url):
        asyncio.run(main())
    assert follow("--otlp-endpoint", collector.url, str(tmp_path / "t.atrace")).returncode == 0
    assert collector.headers == []


def test_what_was_not_sent_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that refuses is one OutputError at the end, which says how many spans were lost; the recording is there."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    from otlp.collectors import http_collector

    with http_collector() as collector:
        collector.accept = 0
        block = asyncio_trace.trace(tmp_path / "t.atrace", otlp=collector.url)
        with (
            pytest.raises(OutputError, match=r"^0 spans sent to .*; not sent: \d+ refused \(HTTP status 403 Forbidden\)"),
            block,
        ):
            asyncio.run(main())
    assert len(asyncio_trace.load(tmp_path / "t.atrace").tasks) == 6


def test_a_bad_url_is_refused_before_anything(tmp_path: Path) -> None:
    """A URL that is none raises before the trace begins, and nothing is written."""
    with pytest.raises(UsageError, match="is not a URL"), asyncio_trace.trace(tmp_path / "t.atrace", otlp="localhost"):
        pass
    assert list(tmp_path.iterdir()) == []
    with asyncio_trace.trace(tmp_path / "t.atrace"):
        pass


KILLED = """
import asyncio, os, signal, sys
import asyncio_trace

asyncio_trace.start(sys.argv[1], otlp=sys.argv[2])

async def main():
    await asyncio.gather(*(asyncio.sleep(0.002) for _ in range(5)))
    print("there", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_killed_program_is_sent(collector: Collector, tmp_path: Path) -> None:
    """Of a program that is killed what it had recorded arrives all the same: the sender is no part of it."""
    command = [sys.executable, "-c", KILLED, str(tmp_path / "t.atrace"), collector.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        until(lambda: len(asyncio_trace.load(tmp_path / "t.atrace").waits) >= 6)
        process.kill()
        until(lambda: any(span.name.startswith("asyncio: ") for span in collector.spans))
    assert check_trees(collector.spans)["main"] == 1


def test_a_finished_recording_is_sent_at_once(collector: Collector, tmp_path: Path) -> None:
    """Following a recording whose trace has ended sends it, says how much that was, and ends."""
    with asyncio_trace.trace(tmp_path / "t.atrace"):
        asyncio.run(main())
    done = follow("--otlp-endpoint", collector.url, str(tmp_path / "t.atrace"))
    assert (done.returncode, done.stderr) == (0, f"{len(collector.spans)} spans sent to {collector_shown(collector)}\n")
    check_trees(collector.spans)


def collector_shown(collector: Collector) -> str:
    """A collector's endpoint as messages show it."""
    from asyncio_trace.exporters.otlp.settings import resolve

    return resolve(collector.url).shown


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--otlp", "none.atrace"], 65, "none.atrace"),
        (["--otlp", __file__], 65, "not a recording"),
        ([__file__], 2, "nothing to do"),
        (["-o", "x.json", __file__], 2, "--follow sends"),
        (["--otlp-endpoint", "nonsense", __file__], 2, "nonsense"),
    ],
)
def test_what_can_not_be_followed(words: list[str], status: int, said: str) -> None:
    """A missing file, another file, and words that make no sense are one line each, with the contract's status."""
    done = follow(*words)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1)
    assert said in done.stderr


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no collector at all, following ends in its time with 74 and the reason."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    with asyncio_trace.trace(tmp_path / "t.atrace"):
        asyncio.run(main())
    url = f"http://127.0.0.1:{free_port()}"
    code = "import asyncio_trace.exporters.otlp.live as l; l.GIVE_UP_S = 0.2; from asyncio_trace.cli.main import main; main()"
    command = [sys.executable, "-c", code, "export", "--follow", "--otlp-endpoint", url, str(tmp_path / "t.atrace")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 74
    assert "connection refused" in done.stderr
