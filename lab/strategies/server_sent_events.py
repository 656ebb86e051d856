"""Server-sent events: push over one endless HTTP response, resumed by `Last-Event-ID`."""

import math
from typing import Literal

from lab.description import Count, Flag, Seconds
from lab.messages import Deliver, Message
from lab.roles import PushBroker, PushConsumer, PushReception
from lab.roles.push import Overflow, PushPolicy
from lab.strategies.base import FRESH, BrokerSetting, Care, Start, Strategy, Stream
from lab.wire.formats import JsonStream, Text, position


class EventStream(JsonStream):
    """Events of the HTML standard (9.2): the offset as `id:`, the delivery as `data:`."""

    def encode(self, message: Message, text: Text) -> str:
        assert isinstance(message, Deliver)
        last = message.offset + len(message.messages) - 1
        return f"id: {position(last, message.epoch)}\ndata: {super().encode(message, text)}\n\n"

    def decode(self, frame: str, consumer: int = 0) -> Message:
        data = "\n".join(
            line.removeprefix("data:").removeprefix(" ")
            for line in frame.splitlines()
            if line.startswith("data:")
        )
        return super().decode(data, consumer)


class ServerSentEvents(Strategy):
    """A stream of events over one HTTP response. The consumer cannot answer in it, so no acks.

    With `replay` the broker keeps a log, and a consumer that was away resumes by `Last-Event-ID`.
    """

    kind: Literal["ServerSentEvents"] = "ServerSentEvents"
    batch_size: Count = 1
    linger: Seconds = 0.0
    buffer: Count | None = None
    overflow: Overflow = "drop_newest"
    queue: Count = 16
    replay: Flag = True

    @property
    def wire(self) -> Stream:
        return Stream(EventStream(), duplex=False)

    @property
    def care(self) -> Care:
        return Care("sent", replay=self.replay)

    def broker(self, setting: BrokerSetting) -> PushBroker:
        policy = PushPolicy(
            batch_size=self.batch_size,
            linger=self.linger,
            buffer=math.inf if self.buffer is None else self.buffer,
            overflow=self.overflow,
        )
        log = setting.log() if self.replay or setting.durable else None
        return PushBroker(policy, log, setting.luck, setting.durable, setting.epoch)

    def consumer(self, index: int, start: Start = FRESH) -> PushConsumer:
        how = PushReception(queue=self.queue, resume=self.replay)
        return PushConsumer(index, how, start.offset, start.luck, start.epoch)
