"""Golden files: `pytest tests/terminal --update-golden` writes them anew; look at the difference before you commit it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that accepts what is drawn now."""
    parser.addoption("--update-golden", action="store_true", default=False, help="write the golden drawings anew")


@pytest.fixture
def matches_golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """A function that compares a drawing with the golden file of that name."""

    def check(name: str, drawing: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden", default=False):
            path.parent.mkdir(exist_ok=True)
            path.write_text(drawing, encoding="utf-8")
        assert path.exists(), f"no {path}; run pytest tests/terminal --update-golden"
        assert drawing == path.read_text(encoding="utf-8")

    return check
