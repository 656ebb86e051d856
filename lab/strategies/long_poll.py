"""Long poll: the broker holds an HTTP GET until there are records or `max_wait` has passed."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.description import Count, PositiveSeconds
from lab.roles import Poller
from lab.strategies.short_poll import Pull


class LongPoll(Pull):
    """Kafka's way of fetching: ask, be held until `min_records` are there, work, ask again."""

    kind: Literal["LongPoll"] = "LongPoll"
    max_wait: Annotated[PositiveSeconds, Field(le=300)] = 1.0
    min_records: Count = 1
    paced: ClassVar[tuple[str, ...]] = ("max_wait",)

    def consumer(self, index: int) -> Poller:
        return Poller(
            index, 0.0, self.max_records, min_records=self.min_records, max_wait=self.max_wait
        )
