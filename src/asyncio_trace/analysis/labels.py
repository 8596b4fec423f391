"""What waits are called in sums: as in the trace, but a task by its coroutine, since its name differs from run to run."""

from __future__ import annotations

import numpy as np

from asyncio_trace.model import NONE, Trace
from asyncio_trace.model.columns import Int64
from asyncio_trace.model.interned import Interned


class Texts:
    """The strings of a trace, and behind them some more."""

    def __init__(self, trace: Trace) -> None:
        self._strings = trace.strings
        self._more = Interned[str]()

    def add(self, text: str) -> int:
        """The number of a text."""
        number = self._strings.number(text)
        return len(self._strings) + self._more.add(text) if number == NONE else number

    def __getitem__(self, number: int) -> str:
        length = len(self._strings)
        return self._strings[number] if number < length else self._more[number - length]


def wait_labels(trace: Trace) -> tuple[Int64, Texts]:
    """For each wait the number of its label, and the texts that such numbers stand for."""
    waits, tasks, texts = trace.waits.columns, trace.tasks.columns, Texts(trace)
    labels = waits.awaited_label.astype(np.int64)
    on_task = np.flatnonzero((waits.awaited_task_row != NONE) & (waits.awaited_type == trace.strings.number("Task")))
    rows = waits.awaited_task_row[on_task]
    plain = (labels[on_task] == tasks.name[rows]) & (tasks.name[rows] != 0)
    labels[on_task[plain]] = tasks.coroutine[rows[plain]]
    others = on_task[~plain]
    pairs, place = np.unique(labels[others] << 32 | waits.awaited_task_row[others], return_inverse=True)
    made = []
    for pair in pairs.tolist():
        label, row = trace.strings[pair >> 32], pair & 0xFFFFFFFF
        name = trace.strings[int(tasks.name[row])] or f"task {tasks.id[row]}"
        by = label.removesuffix(name).strip() if label.endswith(name) else ""
        made.append(texts.add(f"{by} {trace.strings[int(tasks.coroutine[row])]}".strip()))
    labels[others] = np.array(made, np.int64)[place]
    return labels, texts
