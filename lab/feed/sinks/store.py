"""What every database for ticks promises."""

from collections.abc import Sequence
from typing import Protocol

from lab.feed.ticks import Tick


class StoreError(RuntimeError):
    """A database failed after it was opened; the text is one line for the user."""


class Store(Protocol):
    """A database for ticks; `name` says which."""

    name: str

    async def insert(self, feed: str, ticks: Sequence[Tick], cursor: int) -> int:
        """Insert ticks that are not there yet and save the cursor; return how many were new.

        Both or neither, in one transaction. Raises `StoreError`.
        """
        ...

    async def cursor(self, feed: str) -> int | None:
        """Return the number of the first message of `feed` that is not here yet, if known."""
        ...

    async def close(self) -> None: ...
