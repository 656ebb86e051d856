"""A price feed, end to end: a source of ticks, a server, clients, and a database behind them."""

from lab.feed.ticks import Tick, ticks

__all__ = ["Tick", "ticks"]
