"""WebSocket push: the broker writes each message into a connection that stays open."""

import math
from typing import Literal

from lab.description import Count, Flag, Seconds
from lab.roles import PushBroker, PushConsumer, PushReception
from lab.roles.push import Overflow, PushPolicy
from lab.strategies.base import FRESH, BrokerSetting, Care, Start, Strategy, Stream, ack_when
from lab.wire.formats import JsonStream


class WebSocketPush(Strategy):
    """A stream of messages over one WebSocket.

    Fire and forget, or with `acks` an acknowledgement after the work (or `ack_on` receipt) and at
    most `credits` messages unacknowledged. The consumer stops reading while `queue` messages wait in
    it; the broker holds at most `buffer` messages for it, and then `overflow` says what happens. With
    `replay` the broker keeps a log, and a consumer that was away resumes where it was.
    """

    kind: Literal["WebSocketPush"] = "WebSocketPush"
    acks: Flag = False
    ack_on: Literal["work", "receipt"] = "work"
    credits: Count = 100
    batch_size: Count = 1
    linger: Seconds = 0.0
    buffer: Count | None = None
    overflow: Overflow = "drop_newest"
    queue: Count = 16
    replay: Flag = False

    @property
    def wire(self) -> Stream:
        return Stream(JsonStream())

    @property
    def care(self) -> Care:
        if not self.acks:
            return Care("sent", replay=self.replay)
        if self.ack_on == "receipt":
            return Care("received", self.credits + self.queue, self.replay)
        return Care("worked", self.credits, self.replay)

    def broker(self, setting: BrokerSetting) -> PushBroker:
        return PushBroker(
            PushPolicy(
                acks=self.acks,
                credits=self.credits if self.acks else math.inf,
                batch_size=self.batch_size,
                linger=self.linger,
                buffer=math.inf if self.buffer is None else self.buffer,
                overflow=self.overflow,
            ),
            setting.log() if self.replay or setting.durable else None,
            setting.luck,
            setting.durable,
            setting.epoch,
        )

    def consumer(self, index: int, start: Start = FRESH) -> PushConsumer:
        ack = ack_when(self.ack_on) if self.acks else "never"
        how = PushReception(ack, queue=self.queue, resume=self.replay)
        return PushConsumer(index, how, start.offset, start.luck, start.epoch)
