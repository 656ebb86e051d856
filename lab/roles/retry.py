"""Exponential back-off as a plain function of the attempt."""

from dataclasses import dataclass

LARGEST_EXPONENT = 1000  # beyond it a float overflows


@dataclass(frozen=True)
class Retry:
    """Wait `first` seconds after the first failure, then twice as long each time, up to `limit`.

    After `attempts` failed attempts a message is given up (dead-lettered).
    """

    first: float = 0.1
    limit: float = 10.0
    attempts: int = 5

    def delay(self, failures: int) -> float:
        """Return the pause in seconds after that many failures (1, 2, …)."""
        return min(self.limit, self.first * 2.0 ** min(failures - 1, LARGEST_EXPONENT))
