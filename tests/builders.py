"""Small traces for tests: columns that are not given are filled in, the rest is as asked."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from lab.trace import PATH, STAMPS, Counters, Fate, Trace

TYPES = {
    "message": np.int32,
    "consumer": np.int16,
    "size": np.int32,
    "attempts": np.int16,
    "completions": np.int16,
    "fate": np.int8,
}


def trace(
    created: Sequence[float] = (),
    latency: Sequence[float] | float = 0.006,
    manifest: dict[str, Any] | None = None,
    counters: Counters | None = None,
    **columns: Any,
) -> Trace:
    """Return a trace of delivered messages, each with a sixth of its latency in every part.

    `columns` replace whole columns; the manifest says how many messages and consumers there are.
    """
    start = np.asarray(created, dtype=float)
    rows = len(start)
    step = np.broadcast_to(np.asarray(latency, dtype=float), rows) / 6
    filled: dict[str, Any] = {name: start + i * step for i, name in enumerate(PATH)}
    filled |= {
        "message": np.arange(rows),
        "consumer": np.zeros(rows),
        "size": np.full(rows, 100),
        "acked": np.full(rows, np.nan),
        "accepted": np.full(rows, np.nan),
        "attempts": np.ones(rows),
        "completions": np.ones(rows),
        "fate": np.full(rows, Fate.DELIVERED),
    }
    filled |= columns
    arrays = {name: np.array(v, dtype=TYPES.get(name, float)) for name, v in filled.items()}
    return Trace(
        counters=counters or Counters(),
        manifest={"messages": rows, "consumers": 1} if manifest is None else manifest,
        **arrays,
    )


def undelivered(whole: Trace, *rows: int, fate: Fate = Fate.DROPPED) -> Trace:
    """Return a copy of `whole` in which `rows` had that fate after they had left their source."""
    columns = {name: column.copy() for name, column in whole.columns().items()}
    columns["fate"][list(rows)] = fate
    columns["attempts"][list(rows)] = 0
    columns["completions"][list(rows)] = 0
    for name in STAMPS[3:]:
        columns[name][list(rows)] = np.nan
    return Trace(counters=whole.counters, manifest=whole.manifest, **columns)


def changed(whole: Trace, **cells: dict[int, Any]) -> Trace:
    """Return a copy of `whole` with single cells replaced, as `changed(t, done={3: 0.5})`."""
    columns = {name: column.copy() for name, column in whole.columns().items()}
    for name, values in cells.items():
        for row, value in values.items():
            columns[name][row] = value
    assert set(cells) <= {f.name for f in fields(Trace)}
    return Trace(counters=whole.counters, manifest=whole.manifest, **columns)
