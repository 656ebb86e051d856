"""WebSocket push: the broker writes each message into a connection that stays open."""

import math
from typing import Literal

from lab.description import Count, Flag, Seconds
from lab.formats import JsonStream
from lab.roles import PushBroker, PushConsumer
from lab.roles.push import Overflow, PushPolicy
from lab.strategies.base import BrokerSetting, Strategy, Stream


class WebSocketPush(Strategy):
    """A stream of messages over one WebSocket.

    Fire and forget, or with `acks` an acknowledgement after the work and at most `credits`
    messages unacknowledged. The consumer stops reading while `queue` messages wait in it; the
    broker holds at most `buffer` messages for it and drops by `overflow`.
    """

    kind: Literal["WebSocketPush"] = "WebSocketPush"
    acks: Flag = False
    credits: Count = 100
    batch_size: Count = 1
    linger: Seconds = 0.0
    buffer: Count | None = None
    overflow: Overflow = "drop_newest"
    queue: Count = 16

    @property
    def wire(self) -> Stream:
        return Stream(JsonStream())

    def broker(self, setting: BrokerSetting) -> PushBroker:
        return PushBroker(
            PushPolicy(
                acks=self.acks,
                credits=self.credits if self.acks else math.inf,
                batch_size=self.batch_size,
                linger=self.linger,
                buffer=math.inf if self.buffer is None else self.buffer,
                overflow=self.overflow,
            )
        )

    def consumer(self, index: int) -> PushConsumer:
        return PushConsumer(index, acks=self.acks, queue=self.queue)
