"""Clients of a feed, over WebSocket, event stream, polls and webhooks."""

from lab.feed.client.client import Client, Counts
from lab.feed.client.events import Event, FeedError

__all__ = ["Client", "Counts", "Event", "FeedError"]
