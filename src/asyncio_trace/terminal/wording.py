"""Numbers, durations and names as people read them, and as a terminal may safely show them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cached_property

from asyncio_trace.analysis.groups import Groups
from asyncio_trace.model import NONE, Task, Trace
from asyncio_trace.model.lookup import Lookup
from asyncio_trace.terminal.cells import fit, width_of
from asyncio_trace.terminal.glyphs import Glyphs

Name = tuple[str, str]
"""What a task does, and what tells it from others that do the same."""

_SHORT = 12
"""What tells a task from others is not cut if it is no longer than this,"""
_STUMP = 4
"""and leaves so much of the coroutine's name."""
_DEFAULT_NAME = re.compile(r"Task-\d+")
_VARIATION_SELECTORS = dict.fromkeys([*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])


class Wording:
    """Turns values into text that the console can encode, with the glyphs of one alphabet."""

    def __init__(self, glyphs: Glyphs, encoding: str = "utf-8") -> None:
        self.glyphs = glyphs
        self.encoding = encoding
        self._cleaned: dict[str, str] = {}

    def clean(self, text: str) -> str:
        """`text` on one line: control, direction and invisible characters replaced, the rest as the console can encode it."""
        cleaned = self._cleaned.get(text)
        if cleaned is None:
            cleaned = text.translate(_VARIATION_SELECTORS)
            if not cleaned.isprintable():
                cleaned = "".join(char if char.isprintable() else self.glyphs.unprintable for char in cleaned)
            try:
                cleaned = cleaned.encode(self.encoding, "replace").decode(self.encoding)
            except LookupError:
                cleaned = cleaned.encode("ascii", "replace").decode("ascii")
            self._cleaned[text] = cleaned
        return cleaned

    def duration(self, ns: int) -> str:
        """Nanoseconds in three significant digits and at most 7 cells."""
        if ns <= 0:
            return "0"
        if ns < 1_000:
            return f"{ns} ns"
        for unit, size in ((f"{self.glyphs.micro}s", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)):
            value = ns / size
            if value < 9.995:
                return f"{value:.2f} {unit}"
            if value < 99.95:
                return f"{value:.1f} {unit}"
            if value < 999.5 and unit != "s":
                return f"{value:.0f} {unit}"
        seconds = round(ns / 1_000_000_000)
        if seconds < 3600:
            return f"{seconds // 60}m {seconds % 60:02}s"
        hours = seconds // 3600
        return f"{hours}h {seconds % 3600 // 60:02}m" if hours < 100 else f"{hours / 24:,.0f} d"


def count(number: int) -> str:
    """A number with its thousands set apart."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(part: int, whole: int) -> str:
    """The share of `part` in `whole`, in at most 5 cells."""
    if part <= 0 or whole <= 0:
        return "0%"
    share = 100 * part / whole
    if share < 0.1:
        return "<0.1%"
    return f"{share:.1f}%" if share < 9.95 else f"{share:.0f}%"


def whole_percent(part: int, whole: int) -> str:
    """The share of `part` in `whole`, in at most 4 cells."""
    share = round(100 * part / whole) if whole > 0 else 0
    return f"{share}%" if share or part <= 0 else "<1%"


class Names:
    """How tasks are called. The coroutine says what a task does; its name tells it from others that do the same."""

    def __init__(self, trace: Trace, wording: Wording) -> None:
        self._wording = wording
        tasks = trace.tasks.columns
        self._table = trace.tasks
        self._rows = Lookup(tasks.id)
        self._met: dict[int, Task | None] = {}
        groups = Groups(tasks.coroutine)
        self._popularity = dict(
            zip(map(trace.strings.__getitem__, groups.keys.tolist()), groups.counts().tolist(), strict=True)
        )
        self._waits = trace.waits

    def _task(self, task_id: int) -> Task | None:
        """The task of an id; each is looked for once."""
        if task_id not in self._met:
            row = self._rows.one(task_id)
            self._met[task_id] = None if row == NONE else self._table[row]
        return self._met[task_id]

    def coroutine(self, qualified: str) -> str:
        """The coroutine without the functions that it is defined in."""
        return self._wording.clean(qualified.rpartition("<locals>.")[2] or "?")

    def method(self, qualified: str) -> str:
        """The coroutine without its class too."""
        return self._wording.clean(qualified.rpartition(".")[2] or "?")

    def which(self, task: Task) -> str:
        """The task's name, or nothing where its coroutine alone says which one it is."""
        name = task.name or f"#{task.id}"
        if self._popularity[task.coroutine] == 1 and (_DEFAULT_NAME.fullmatch(name) or name == task.coroutine):
            return ""
        return self._wording.clean(name)

    def forms(self, task: Task) -> list[Name]:
        """The task's coroutine and what tells it from others; shorter and shorter. A name that was set can stand alone."""
        which = self.which(task)
        ending = f"{self._wording.glyphs.dot}{which}" if which else ""
        forms = [(self.coroutine(task.coroutine), ending), (self.method(task.coroutine), ending)]
        return [*forms, (which, "")] if self._is_set(task) else forms

    def _is_set(self, task: Task) -> bool:
        return bool(task.name) and task.name != task.coroutine and not _DEFAULT_NAME.fullmatch(task.name)

    def full(self, task: Task) -> str:
        """`worker · Task-3`."""
        return "".join(self.forms(task)[0])

    def known(self, task_id: int | None) -> bool:
        """Whether the trace has a task of this id."""
        return task_id is not None and self._task(task_id) is not None

    def full_of(self, task_id: int) -> str:
        """As `full`, by the task's id."""
        task = self._task(task_id)
        return self.full(task) if task else f"task #{task_id}"

    def within(self, task_id: int, room: int) -> str:
        """As `full_of`, as it fits into `room` cells."""
        task = self._task(task_id)
        forms = self.forms(task) if task else [(f"task #{task_id}", "")]
        return "".join(squeezed(forms, room, self._wording.glyphs.ellipsis))

    def coroutine_of(self, task_id: int | None) -> str | None:
        """The qualified name of a task's coroutine; None if the trace has no such task."""
        task = None if task_id is None else self._task(task_id)
        return task.coroutine if task else None

    def texts(self, tasks: Collection[int]) -> list[str]:
        """What to call some tasks of one coroutine where there's little room; shorter and shorter.

        `worker · Task-3`, or only `worker` if there are several; the shortest is a name that was set, else the coroutine's.
        """
        first = self._task(next(iter(tasks)))
        assert first is not None
        alone = [self.coroutine(first.coroutine), self.method(first.coroutine)]
        if len(tasks) > 1:
            return alone
        forms = ["".join(form) for form in self.forms(first)]
        return forms if self._is_set(first) else [*forms, alone[1]]

    @cached_property
    def _of_kind(self) -> dict[str, set[int]]:
        ids: dict[str, set[int]] = {}
        for wait in self._waits:
            if wait.awaited.id is not None:
                ids.setdefault(wait.kind.partition(".")[0], set()).add(wait.awaited.id)
        return ids

    def number(self, kind: str, resource: int) -> str:
        """`#8` for a lock, event, queue, ...: its id, as findings have it too; nothing if the trace waits on no other one."""
        of_kind = self._of_kind.get(kind.partition(".")[0], ())
        return f"#{resource}" if len(of_kind) > 1 and resource in of_kind else ""


def squeezed(forms: Sequence[Name], room: int, ellipsis: str) -> Name:
    """The first of the forms of a name that fits into `room` cells; if none does, the shortest with both parts, cut."""
    for form in forms:
        if width_of(form[0]) + width_of(form[1]) <= room:
            return form
    name, which = max(forms, key=lambda form: (bool(form[1]), -width_of(form[0])))
    size = width_of(which)
    if which and not (size <= _SHORT and room - size >= _STUMP):
        which = fit(which, min(size, max(room // 2, room - width_of(name))), ellipsis)
    left = max(0, room - width_of(which))
    return name if width_of(name) <= left else fit(name, left, ellipsis).rstrip(" "), which
