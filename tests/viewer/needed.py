"""What the viewer's tests need besides Python: Node, and a Chromium that Playwright can drive."""

from __future__ import annotations

import os
import shutil

import pytest


def require(found: str | None, reason: str) -> str:
    """What was found; else the test is skipped, or fails where ASYNCIO_TRACE_REQUIRE asks for `viewer`."""
    if found is not None:
        return found
    if "viewer" in os.environ.get("ASYNCIO_TRACE_REQUIRE", "").replace(",", " ").split():
        pytest.fail(reason)
    pytest.skip(reason)


def node() -> str:
    """The path of Node 20 or newer."""
    return require(shutil.which("node"), "no Node: install nodejs 20 or newer")


def chromium() -> str:
    """The path of Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM_BIN") or next((path for name in names if (path := shutil.which(name))), None)
    return require(found, "no Chromium: install it (apt-get install chromium), or set CHROMIUM_BIN")
