"""Where ticks go: a database, in which rows and the cursor after them are one transaction."""

from lab.feed.sinks.rate import Inserted, insert_rate
from lab.feed.sinks.sqlite import SqliteStore

__all__ = ["Inserted", "SqliteStore", "insert_rate"]
