"""Long poll: the broker holds an HTTP GET until there are records or `max_wait` has passed."""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.description import Count, PositiveSeconds
from lab.roles import Polling
from lab.strategies.short_poll import Pull


class LongPoll(Pull):
    """Kafka's way of fetching: ask, be held until `min_records` are there, work, ask again."""

    kind: Literal["LongPoll"] = "LongPoll"
    max_wait: Annotated[PositiveSeconds, Field(le=300)] = 1.0
    min_records: Count = 1
    paced: ClassVar[tuple[str, ...]] = ("max_wait",)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.min_records > self.max_records:
            raise ValueError(
                f"need min_records <= max_records, got {self.min_records} and {self.max_records}"
            )
        return self

    def polling(self) -> Polling:
        longer = replace(super().polling(), min_records=self.min_records)
        return replace(longer, max_wait=self.max_wait)
