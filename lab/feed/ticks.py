"""A tick source: prices that follow geometric Brownian motion, at the times of a Poisson process.

No clock and no waiting here: time is in the ticks, and every draw comes from the generator passed in.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np

YEAR = 365 * 86_400.0  # seconds; drift and volatility are per year, and trade never stops
FIRST_PRICES = {"BTC/USD": 64_000.0, "ETH/USD": 3_100.0, "EUR/USD": 1.08}
FIRST_PRICE = 100.0  # of any other symbol
DECIMALS = 4
LONGEST_NAME = 32
SYMBOLS = ("BTC/USD", "ETH/USD", "EUR/USD")


class Tick(NamedTuple):
    """A price of `symbol` at `time` (seconds since 1970), number `sequence` of its feed."""

    sequence: int
    symbol: str
    price: float
    time: float

    @classmethod
    def read(cls, sequence: int, data: Any) -> "Tick | None":
        """Return the tick that a message holds, or None if it holds something else."""
        if not isinstance(data, dict):
            return None
        symbol, price, time = (data.get(name) for name in ("symbol", "price", "time"))
        if not (_is_name(symbol) and _is_number(price) and _is_number(time)):
            return None
        return cls(sequence, symbol, float(price), float(time))


def ticks(
    rng: np.random.Generator,
    symbols: Sequence[str] = SYMBOLS,
    rate: float = 100.0,
    start: float = 0.0,
    drift: float = 0.05,
    volatility: float = 0.6,
) -> Iterator[Tick]:
    """Yield ticks for ever, `rate` a second in all, each of a symbol drawn evenly.

    A price moves by exp((drift - volatility²/2) t + volatility √t z) in t years, z standard normal:
    exactly, whatever the gaps. Shown prices are rounded, the process is not.
    """
    prices = [FIRST_PRICES.get(symbol, FIRST_PRICE) for symbol in symbols]
    moved_at = [start] * len(symbols)
    now, sequence = start, 0
    while True:
        now += rng.exponential(1 / rate)
        which = int(rng.integers(len(symbols)))
        years = (now - moved_at[which]) / YEAR
        shock = volatility * math.sqrt(years) * rng.standard_normal()
        prices[which] *= math.exp((drift - volatility**2 / 2) * years + shock)
        moved_at[which] = now
        yield Tick(sequence, symbols[which], round(prices[which], DECIMALS), round(now, 6))
        sequence += 1


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_NAME and value.isprintable()


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and math.isfinite(value)
