"""Poll, then pull: a cheap conditional request first, and the pull only if something is new."""

from dataclasses import replace
from typing import ClassVar, Literal

from lab.description import PositiveSeconds
from lab.roles import Polling
from lab.strategies.short_poll import Pull


class PollThenPull(Pull):
    """`GET /head` with the entity tag last seen; 304 means nothing new, 200 is followed by a pull."""

    kind: Literal["PollThenPull"] = "PollThenPull"
    interval: PositiveSeconds = 0.1
    paced: ClassVar[tuple[str, ...]] = ("interval",)

    def polling(self) -> Polling:
        return replace(super().polling(), interval=self.interval, check_first=True)
