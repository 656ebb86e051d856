"""Exponential back-off with jitter, as a plain function of the failures so far.

Chance comes from outside, as numbers from 0 up to 1 that the experiment drew from its seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

LARGEST_EXPONENT = 1000  # beyond it a float overflows
Luck = Iterator[float]
NO_LUCK: Luck = repeat(0.0)  # never any jitter


@dataclass(frozen=True)
class Retry:
    """Wait `first` seconds after the first failure, then twice as long each time, up to `limit`.

    After `attempts` failed attempts a message is given up (dead-lettered). Up to a share `jitter`
    of each pause is left out at random, so that many who failed together do not return together.
    """

    first: float = 0.1
    limit: float = 10.0
    attempts: float = 5
    jitter: float = 0.5

    def delay(self, failures: int, luck: float = 0.0) -> float:
        """Return the pause in seconds after that many failures (1, 2, …)."""
        pause = min(self.limit, self.first * 2.0 ** min(failures - 1, LARGEST_EXPONENT))
        return pause * (1.0 - self.jitter * luck)


class Backoff:
    """Counts failures in a row, and says how long to wait after each."""

    def __init__(self, retry: Retry, luck: Luck = NO_LUCK) -> None:
        self.retry = retry
        self.luck = luck
        self.failures = 0

    def failed(self) -> float:
        """Return the pause after one more failure, in seconds."""
        self.failures += 1
        return self.retry.delay(self.failures, next(self.luck))

    def succeeded(self) -> None:
        self.failures = 0
