"""A trace drawn for people in a terminal, with rich."""

from asyncio_trace.terminal.drawing import draw

__all__ = ["draw"]
