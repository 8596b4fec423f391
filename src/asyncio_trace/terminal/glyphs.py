"""What every state looks like: a glyph that reads without colour, and one of the 16 ANSI colours on top of it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One alphabet. Every glyph is one cell wide."""

    running: str
    ticks: str
    """A short run amid waiting, by the neighbours that are lines too: none, left, right, both."""
    light_ticks: str
    """The same, for a folded row that ran for a small part of the cell."""
    ready: str
    ready_ran: str
    """Mostly ready, with short runs in between."""
    waiting: str
    thread: str
    """An executor's thread works."""
    heights: str
    """How many of a folded row's tasks are alive, from the fewest to the most."""
    marks: dict[str, str]
    """Outcomes."""
    blocked: str
    longest: str
    """Marks a task kept out of a fold because it lasted much longer than the others."""
    branch: str
    last_branch: str
    stem: str
    gap: str
    job: str
    """Stands before the name of an executor job."""
    ellipsis: str
    times: str
    dot: str
    """Separates facts on a line."""
    micro: str
    unprintable: str
    """Stands for a character that would move the cursor, change colours or reverse the text."""

    def compact(self) -> Glyphs:
        """The same with narrower branches, for narrow terminals."""
        return replace(self, branch=self.branch[0] + " ", last_branch=self.last_branch[0] + " ", stem=self.stem[:2], gap="  ")


UNICODE = Glyphs(
    running="█",
    ticks="┃┨┠╂",
    light_ticks="│┤├┼",
    ready="▒",
    ready_ran="▓",
    waiting="─",
    thread="═",
    heights="▁▂▃▄▅▆▇█",
    marks={"returned": "✓", "raised": "✗", "cancelled": "⊘", "pending": "…"},
    blocked="!",
    longest="↑",
    branch="├─ ",
    last_branch="└─ ",
    stem="│  ",
    gap="   ",
    job="» ",
    ellipsis="…",
    times="×",
    dot=" · ",
    micro="µ",
    unprintable="\N{REPLACEMENT CHARACTER}",
)

ASCII = Glyphs(
    running="#",
    ticks="||||",
    light_ticks="''''",
    ready=":",
    ready_ran="%",
    waiting="-",
    thread="=",
    heights="123456789",
    marks={"returned": "+", "raised": "x", "cancelled": "/", "pending": "?"},
    blocked="!",
    longest="^",
    branch="|- ",
    last_branch="`- ",
    stem="|  ",
    gap="   ",
    job="> ",
    ellipsis="..",
    times="x",
    dot=", ",
    micro="u",
    unprintable="?",
)

STYLES = {
    "": "",
    "plain": "",
    "title": "bold",
    "faint": "dim",
    "running": "green",
    "blocked": "bold red",
    "ready": "yellow",
    "waiting": "cyan",
    "thread": "magenta",
    "returned": "green",
    "raised": "bold red",
    "cancelled": "yellow",
    "pending": "dim",
}
"""Styles by what they mean. Only attributes and the 16 colours that every palette defines."""
