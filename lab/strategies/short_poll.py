"""Short poll: the consumer sends an HTTP GET every `interval` seconds, answered at once."""

from typing import ClassVar, Literal

from lab.description import Count, Flag, PositiveSeconds
from lab.formats import PullFormat
from lab.roles import Log, Poller, PullBroker
from lab.strategies.base import BrokerSetting, Exchange, Strategy


class Pull(Strategy):
    """What all strategies share in which the consumer asks: a log, and the size of an answer."""

    max_records: Count = 10_000

    @property
    def wire(self) -> Exchange:
        return Exchange(PullFormat(), server="broker")

    def broker(self, setting: BrokerSetting) -> PullBroker:
        return PullBroker(setting.consumers, Log(setting.retention, setting.sizes))


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

    def consumer(self, index: int) -> Poller:
        return Poller(index, self.interval, self.max_records, destructive=self.destructive)
