"""Short poll: the consumer sends an HTTP GET every `interval` seconds, answered at once."""

import math
from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from lab.description import Count, Flag, Natural, PositiveSeconds, Seconds
from lab.messages import Role
from lab.roles import Poller, Polling, PullBroker
from lab.roles.poller import Begin, Commit
from lab.strategies.base import FRESH, BrokerSetting, Care, Exchange, Start, Strategy
from lab.wire.formats import PullFormat


class Pull(Strategy):
    """What all strategies share in which the consumer asks: a log, the size of an answer, a cursor.

    The cursor is made safe (`commit`) after the work on an answer, before it, or after `each` record
    together with what the work wrote; a consumer without one begins at the `earliest` or `latest`
    record, at the record with the offset `from_offset`, or with the first that came `from_time` seconds
    after the start of the run or later. It begins at the earliest, too, if that offset is not there. A
    record that fails `tries` times is put aside. A request without an answer after `timeout` is repeated.
    """

    max_records: Count = 10_000
    commit: Commit = "after_work"
    begin: Literal["earliest", "latest"] = "earliest"
    from_offset: Natural | None = None
    from_time: Seconds | None = None
    tries: Count = 3
    timeout: PositiveSeconds = 10.0

    @model_validator(mode="after")
    def _begins_somewhere(self) -> Self:
        begins = (
            self.begin != "earliest",
            self.from_offset is not None,
            self.from_time is not None,
        )
        if sum(begins) > 1:
            raise ValueError("need one of begin, from_offset and from_time")
        if any(begins) and getattr(self, "destructive", False):
            raise ValueError(
                "need no begin where reading is destructive: the broker has the cursor"
            )
        return self

    @property
    def seeks(self) -> bool:
        """Whether a consumer without a cursor begins elsewhere than at the earliest record."""
        return (self.begin, self.from_offset, self.from_time) != ("earliest", None, None)

    def faster(self, times: float) -> Self:
        at = None if self.from_time is None else self.from_time / times
        return super().faster(times).model_copy(update={"from_time": at})

    @property
    def wire(self) -> Exchange:
        return Exchange(PullFormat(), server="broker")

    def broker(self, setting: BrokerSetting) -> Role:
        return PullBroker(setting.consumers, setting.log())

    @property
    def care(self) -> Care:
        if self.commit == "never":
            return Care("after_work", math.inf, replay=True)
        return Care(self.commit, self.max_records, replay=True)

    def polling(self) -> Polling:
        """Return how the consumer polls."""
        begin: Begin = self.begin if self.from_time is None else self.from_time
        return Polling(
            max_records=self.max_records,
            commit=self.commit,
            begin=begin if self.from_offset is None else "offset",
            offset=self.from_offset or 0,
            tries=self.tries,
            timeout=self.timeout,
        )

    def consumer(self, index: int, start: Start = FRESH) -> Poller:
        return Poller(index, self.polling(), start.offset, start.epoch, start.luck)


class ShortPoll(Pull):
    """HTTP GET of everything after the consumer's offset, `interval` seconds after the last.

    The pause begins when the last answer has been worked on. With `destructive` the broker keeps
    the cursor and hands every record out once.
    """

    kind: Literal["ShortPoll"] = "ShortPoll"
    interval: PositiveSeconds = 0.1
    paced: ClassVar[tuple[str, ...]] = ("interval",)
    destructive: Flag = False
    keep_alive: Flag = True

    @property
    def wire(self) -> Exchange:
        return Exchange(PullFormat(), server="broker", keep_alive=self.keep_alive)

    @property
    def care(self) -> Care:
        return Care("fetched", self.max_records) if self.destructive else super().care

    def polling(self) -> Polling:
        return replace(super().polling(), interval=self.interval, destructive=self.destructive)
