"""Webhook: the broker POSTs messages to the consumer's endpoint; a 2xx answer is the ack."""

import math
from typing import Literal

from lab.description import Count, Flag, PositiveSeconds, Rate, Seconds
from lab.roles import PushBroker, PushConsumer, PushReception, RateLimit, Retry
from lab.roles.push import Overflow, PushPolicy
from lab.strategies.base import FRESH, BrokerSetting, Care, Exchange, Start, Strategy, ack_when
from lab.wire.formats import PushFormat


class RequestPush(Strategy):
    """What `Webhook` and `HttpIngest` share: requests outstanding, batches, retries, rate limits.

    With `adaptive` the sender finds out itself how many requests may be outstanding, up to
    `concurrency`. A target with a `rate_limit` (messages a second, `burst` at once) answers 429 and
    says in `Retry-After` when to come back.
    """

    concurrency: Count = 1
    batch_size: Count = 1
    linger: Seconds = 0.0
    keep_alive: Flag = True
    timeout: PositiveSeconds = 10.0
    attempts: Count = 5
    retry_first: PositiveSeconds = 0.1
    retry_limit: PositiveSeconds = 10.0
    buffer: Count | None = None
    overflow: Overflow = "drop_newest"
    adaptive: Flag = False
    ack_on: Literal["work", "receipt"] = "work"
    rate_limit: Rate | None = None
    burst: Count = 10
    idempotent: Flag = False

    @property
    def care(self) -> Care:
        if self.ack_on == "receipt":
            return Care("received", gives_up=True)
        return Care("worked", self.concurrency * self.batch_size, gives_up=True)

    def broker(self, setting: BrokerSetting) -> PushBroker:
        return PushBroker(
            PushPolicy(
                acks=True,
                concurrency=self.concurrency,
                batch_size=self.batch_size,
                linger=self.linger,
                buffer=math.inf if self.buffer is None else self.buffer,
                overflow=self.overflow,
                adaptive=self.adaptive,
                timeout=self.timeout,
                retry=Retry(self.retry_first, self.retry_limit, self.attempts),
            ),
            setting.log() if setting.durable else None,
            setting.luck,
            setting.durable,
            setting.epoch,
        )

    def consumer(self, index: int, start: Start = FRESH) -> PushConsumer:
        limit = RateLimit(self.rate_limit or math.inf, float(self.burst))
        how = PushReception(ack_when(self.ack_on), idempotent=self.idempotent, limit=limit)
        return PushConsumer(index, how, start.offset, start.luck, start.epoch)


class Webhook(RequestPush):
    """HTTP POST from the broker, at most `concurrency` requests outstanding.

    An answer other than 2xx, or none within `timeout`, is tried again after `retry_first`
    seconds, then twice that and so on up to `retry_limit`, at most `attempts` times in all.
    With more than one request outstanding, messages may overtake one another.
    """

    kind: Literal["Webhook"] = "Webhook"

    @property
    def wire(self) -> Exchange:
        return Exchange(PushFormat(), server="consumer", keep_alive=self.keep_alive)
