"""Tables for pandas and Arrow: numbers turned into what they stand for, each text kept once."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from asyncio_trace.errors import UsageError
from asyncio_trace.model.codes import NEVER, NONE, OUTCOMES, WAKER_KINDS
from asyncio_trace.model.columns import Columns, What
from asyncio_trace.model.tables import Site

if TYPE_CHECKING:
    import numpy.typing as npt

    from asyncio_trace.model.trace import Trace

_NONE = {What.TIME: NEVER, What.ID: 0, What.TASK_ROW: NONE, What.ROW: NONE}
"""What stands for `None` in columns of numbers."""


def to_pandas(columns: Columns, trace: Trace) -> Any:
    """The columns as a `pandas.DataFrame`: numbers that may be missing as `Int64`, texts as categories.

    Raises:
        UsageError: pandas is not installed.
    """
    pandas = _imported("pandas")
    series = {}
    for name, what, array in columns.arrays():
        named = _meanings(what, array, trace)
        if named is not None:
            series[name] = pandas.Categorical.from_codes(*named)
        elif what in _NONE:
            series[name] = pandas.arrays.IntegerArray(array.astype(np.int64), array == _NONE[what])
        else:
            series[name] = array
    return pandas.DataFrame(series)


def to_arrow(columns: Columns, trace: Trace) -> Any:
    """The columns as a `pyarrow.Table`: numbers with nulls, texts as dictionaries.

    Raises:
        UsageError: pyarrow is not installed.
    """
    pyarrow = _imported("pyarrow")
    arrays = {}
    for name, what, array in columns.arrays():
        named = _meanings(what, array, trace)
        if named is not None:
            codes = pyarrow.array(named[0], mask=named[0] == NONE)
            arrays[name] = pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(named[1], pyarrow.string()))
        else:
            arrays[name] = pyarrow.array(array, mask=array == _NONE[what] if what in _NONE else None)
    return pyarrow.table(arrays)


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(f"{name} is needed for this, and can't be imported ({error}): pip install {name}") from None


def _meanings(what: What, array: npt.NDArray[Any], trace: Trace) -> tuple[npt.NDArray[np.int32], list[str]] | None:
    """Numbers and the texts that they stand for, without those that no row has; None where a number is just that."""
    names: Sequence[Any]
    if what in (What.OUTCOME, What.WAKER_KIND):
        names = OUTCOMES if what is What.OUTCOME else WAKER_KINDS
        array = np.where((array == 0) & (what is What.WAKER_KIND), NONE, array)
    elif what in (What.STRING, What.SITE, What.STACK, What.WAIT_KIND):
        tables: dict[What, Sequence[Any]] = {
            What.STRING: trace.strings,
            What.SITE: trace.sites,
            What.STACK: trace.stacks,
            What.WAIT_KIND: trace.wait_kinds,
        }
        names = tables[what]
    else:
        return None
    used, codes = np.unique(array, return_inverse=True)
    texts = [_text(names[number]) for number in used.tolist() if number != NONE]
    kept = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    places = [kept[text] for text in texts]
    table = np.array([NONE, *places] if len(used) > len(texts) else places, np.int32)
    return (table[codes].reshape(-1) if len(table) else np.empty(0, np.int32)), list(kept)


def _text(value: Any) -> str:
    """A text that no encoding refuses; a place as `function (file:line)`; a stack as places, outermost first."""
    if isinstance(value, Site):
        value = f"{value.function} ({value.file}:{value.line})"
    elif isinstance(value, tuple):
        return ";".join(map(_text, value))
    return str(value).encode("utf-8", "backslashreplace").decode()
