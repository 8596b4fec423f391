"""The mail server aiosmtpd, started by its own command, with clients of smtplib."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cli.timeline import kinds, tasks
from real.load import CLIENTS, ROUNDS, over_smtp
from real.serving import serve_both

pytest.importorskip("aiosmtpd")
pytestmark = pytest.mark.network


def test_aiosmtpd_takes_mail_traced_as_it_takes_it_plain(tmp_path: Path) -> None:
    """Replies, the mail that the server prints and its exit are the same; each session's task reads from its stream."""
    words = ["-m", "aiosmtpd", "-n", "-l", "127.0.0.1:{port}", "-c", "aiosmtpd.handlers.Debugging", "stdout"]
    plain, traced, trace = serve_both(words, over_smtp, tmp_path)
    assert traced._replace(stdout=[]) == plain._replace(stdout=[])
    printed = [Counter(line for line in side.stdout if not line.startswith("X-Peer")) for side in (plain, traced)]
    assert printed[0] == printed[1]
    assert sum(count for line, count in printed[0].items() if line.startswith("Subject: ")) == CLIENTS * ROUNDS
    assert len(tasks(trace, "SMTP._handle_client")) >= CLIENTS
    reads = [wait for wait in trace["waits"] if wait["kind"] == "stream.read" and wait["end_ns"] is not None]
    assert Counter(wait["waker"]["kind"] for wait in reads).most_common(1)[0][0] == "io"
    assert "stream.read" in kinds(trace)
