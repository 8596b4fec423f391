"""`view` and `run --open`: the page is made, the browser is told of it."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from cli.command import Ended, asyncio_trace

QUICK = ("-c", "import asyncio; asyncio.run(asyncio.sleep(0)); print('ran')")


@pytest.fixture
def browser(tmp_path: Path) -> str:
    """A command line for BROWSER that writes down what it is to open."""
    script = tmp_path / "browser.py"
    script.write_text(f"import sys; open({str(tmp_path / 'opened')!r}, 'w').write(sys.argv[1])\n")
    return f"{sys.executable} {script} %s"


def opened(tmp_path: Path) -> Path:
    """The file that the browser was given."""
    address = urlparse((tmp_path / "opened").read_text())
    assert address.scheme == "file"
    return Path(unquote(address.path))


def check(ended: Ended, page: Path) -> None:
    """The page exists, is the viewer's, and its path is told on stderr."""
    assert "Content-Security-Policy" in page.read_text("utf-8")
    assert f"viewer: {page}" in ended.said


def test_view_opens_a_recording(recording: Path, tmp_path: Path, browser: str) -> None:
    """A recording becomes a page among the temporary files, and the browser is sent there."""
    ended = asyncio_trace("view", str(recording), cwd=tmp_path, BROWSER=browser)
    assert (ended.status, ended.stdout) == (0, "")
    check(ended, opened(tmp_path))


def test_view_opens_a_page_that_exists(recording: Path, tmp_path: Path, browser: str) -> None:
    """A page that `export` made is opened where it is."""
    page = tmp_path / "it's a page é.html"
    assert asyncio_trace("export", str(recording), "-o", str(page), cwd=tmp_path).status == 0
    ended = asyncio_trace("view", str(page), cwd=tmp_path, BROWSER=browser)
    assert ended.status == 0
    assert opened(tmp_path) == page
    check(ended, page)


def test_where_no_browser_starts_the_path_is_told(recording: Path, tmp_path: Path) -> None:
    """Without a browser the page is there all the same, and the user is told to open it."""
    ended = asyncio_trace("view", str(recording), cwd=tmp_path, BROWSER="/no/such/browser", PATH="/none", DISPLAY=None)
    assert ended.status == 0
    assert ended.said[-1] == "no browser could be started here: open that file with one"
    check(ended, Path(ended.said[-2].removeprefix("viewer: ")))


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x00" * 100])
def test_view_refuses_what_is_no_recording(content: bytes, tmp_path: Path) -> None:
    """A broken or foreign file is one line and status 65; nothing is opened."""
    (tmp_path / "x.atrace").write_bytes(content)
    ended = asyncio_trace("view", "x.atrace", cwd=tmp_path, BROWSER="none")
    assert (ended.status, len(ended.said)) == (65, 1)


def test_run_opens_the_page_when_the_program_has_ended(tmp_path: Path, browser: str) -> None:
    """With --open the program runs as ever, keeps its exit status, and then the browser is sent to the page."""
    ended = asyncio_trace(
        "run",
        "-q",
        "--open",
        "-c",
        "import asyncio, sys; asyncio.run(asyncio.sleep(0)); sys.exit(3)",
        cwd=tmp_path,
        BROWSER=browser,
    )
    assert ended.status == 3
    check(ended, opened(tmp_path))


def test_run_opens_the_page_that_it_was_to_write(tmp_path: Path, browser: str) -> None:
    """With --open and -o OUT.html there is one page, the one that was asked for."""
    ended = asyncio_trace("run", "-q", "--open", "-o", "out.html", *QUICK, cwd=tmp_path, BROWSER=browser)
    assert (ended.status, ended.stdout) == (0, "ran\n")
    assert opened(tmp_path) == tmp_path / "out.html"


def test_source_lines_go_into_the_page_on_demand(tmp_path: Path) -> None:
    """--embed-source puts the program's lines in; without it no line of it is in the page."""
    (tmp_path / "app.py").write_text(
        "import asyncio\n\nasync def main():\n    await asyncio.sleep(0.001)  # a line of the program\n\nasyncio.run(main())\n"
    )
    for options in [], ["--embed-source"]:
        ended = asyncio_trace("run", "-q", "-f", "-o", "out.html", *options, "app.py", cwd=tmp_path)
        assert ended.status == 0, ended.stderr
        assert ("a line of the program" in (tmp_path / "out.html").read_text("utf-8")) == bool(options)
