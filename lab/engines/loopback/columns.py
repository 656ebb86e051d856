"""What a run writes down while it goes on: columns in memory, or in files that processes share.

Files outlive a process that is killed: the one that takes its place goes on with them, and the
session reads them in the end. Every cell has one writer at a time.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.trace import PLACES

Columns = dict[str, NDArray[Any]]

OF_MESSAGES = ("sent", "at_broker", "accepted")
OF_DELIVERIES = ("left_broker", "received", "started", "done", "acked")
COUNTS = {"attempts": np.int16, "again": np.int16, "fate": np.int8}  # again: work done, but once
SAVED = "saved"  # by consumer: epoch and offset in one number, so that they are written at once
EPOCH = 2**40
MOST_SAMPLES = 100_000


class Size(NamedTuple):
    """How many messages there are, rows of them, and consumers: one row for each, or for all."""

    messages: int
    rows: int
    consumers: int


def _shapes(size: Size) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Return the shape and type of every column."""
    messages, rows, consumers = size
    return {
        **{name: ((1, messages), np.float64) for name in OF_MESSAGES},
        **{name: ((rows, messages), np.float64) for name in OF_DELIVERIES},
        **{name: ((rows, messages), kind) for name, kind in COUNTS.items()},
        SAVED: ((1, consumers), np.int64),
    }


def in_memory(size: Size) -> Columns:
    """Return new columns: NaN where they hold times, 0 where they count."""
    return {
        name: np.full(shape, _empty(kind), kind) for name, (shape, kind) in _shapes(size).items()
    }


def create(folder: Path, size: Size) -> Columns:
    """Return new columns in files of `folder`; there must be messages."""
    columns = _map(folder, size, "w+")
    for column in columns.values():
        column[:] = _empty(column.dtype)
    return columns


def in_files(folder: Path, size: Size) -> Columns:
    """Return the columns that are in `folder`, to be read and written."""
    return _map(folder, size, "r+")


def _map(folder: Path, size: Size, mode: Any) -> Columns:
    return {
        name: np.memmap(folder / name, kind, mode, shape=shape)
        for name, (shape, kind) in _shapes(size).items()
    }


def _empty(kind: Any) -> Any:
    return np.nan if np.dtype(kind).kind == "f" else 0


def packed(offset: int, epoch: int) -> int:
    """Return where a consumer is as one number that is not 0."""
    return epoch * EPOCH + offset + 1


def unpacked(saved: int) -> tuple[int | None, int]:
    """Return the offset and epoch that were saved, None and 0 if there is nothing."""
    if not saved:
        return None, 0
    epoch, offset = divmod(saved - 1, EPOCH)
    return offset, epoch


def samples(folder: Path, sides: int, count: int, mode: Any = "r+") -> NDArray[np.float64]:
    """Return what the sides noted of where messages wait: by side, sample and place."""
    shape = (sides, min(count, MOST_SAMPLES), len(PLACES))
    return np.memmap(folder / "samples", np.float64, mode, shape=shape)
