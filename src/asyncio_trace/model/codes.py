"""Numbers that stand for something else in the columns of a trace."""

from __future__ import annotations

from asyncio_trace.events.records import Outcome, WakerKind

NEVER = -(1 << 63)
"""Stands for `None` in a column of times: it has not happened, or is not known. numpy's "not a time" is the same number."""

NONE = -1
"""Stands for `None` in a column of numbers of rows, texts or sites."""

OUTCOMES = Outcome.NAMES
"""What the numbers in a column of outcomes mean."""

WAKER_KINDS = WakerKind.NAMES
"""What the numbers in a column of kinds of wakers mean. 0, `none`, is no waker at all."""
