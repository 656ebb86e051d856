"""What checks find in a trace: violations, counted, and the first of them told."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.trace import Fate, Trace

MOST = 20
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]


class Violation(NamedTuple):
    """What is wrong, with which message and for which consumer; None where it is the whole run."""

    kind: str
    message: int | None
    consumer: int | None
    text: str


class Finding(NamedTuple):
    """All violations of one kind: how many, and the first of them (at most `MOST`)."""

    total: int
    first: list[Violation]


def find(trace: Trace, kind: str, wrong: Mask | Rows, text: Callable[[int], str]) -> Finding:
    """Tell the first of the rows that are `wrong`, which is a mask or row numbers."""
    rows = np.flatnonzero(wrong) if wrong.dtype == np.bool_ else wrong
    lowest = rows[np.argsort(trace.message[rows], kind="stable")[:MOST]]
    first = [
        Violation(kind, int(trace.message[row]), int(trace.consumer[row]), text(int(row)))
        for row in lowest
    ]
    return Finding(len(rows), first)


def say(text: str) -> Callable[[int], str]:
    """Return what gives every row the same text."""
    return lambda row: text


def overtaking(trace: Trace) -> Iterator[Finding]:
    """Find what was done before a message of the same consumer that was created earlier."""
    rows = np.flatnonzero((trace.fate == Fate.DELIVERED) & ~np.isnan(trace.done))
    rows = rows[np.lexsort((trace.message[rows], trace.consumer[rows]))]
    starts = np.flatnonzero(np.diff(trace.consumer[rows])) + 1
    late = [mine[_overtakes(trace.done[mine])] for mine in np.split(rows, starts)]
    yield find(trace, "order", np.concatenate(late), lambda row: _overtaken(trace, row))


def _overtakes(done: NDArray[np.float64]) -> Mask:
    """Return which messages were done before one that is ahead of them."""
    return done < np.maximum.accumulate(done)


def _overtaken(trace: Trace, row: int) -> str:
    ahead = (trace.consumer == trace.consumer[row]) & (trace.message < trace.message[row])
    ahead &= trace.done > trace.done[row]
    return f"done at {trace.done[row]:.9f} s, before message {trace.message[ahead].min()}"
