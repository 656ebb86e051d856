"""A price feed, end to end: a source of ticks, a server, clients, and a database behind them."""

from lab.feed.client import Client, Event, FeedError
from lab.feed.ticks import Tick, ticks

__all__ = ["Client", "Event", "FeedError", "Tick", "ticks"]
