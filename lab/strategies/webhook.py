"""Webhook: the broker POSTs messages to the consumer's endpoint; a 2xx answer is the ack."""

import math
from typing import Literal

from lab.description import Count, Flag, PositiveSeconds, Seconds
from lab.formats import PushFormat
from lab.roles import PushBroker, PushConsumer, Retry
from lab.roles.push import PushPolicy
from lab.strategies.base import BrokerSetting, Exchange, Strategy


class RequestPush(Strategy):
    """What `Webhook` and `HttpIngest` share: requests outstanding, batches, retries."""

    concurrency: Count = 1
    batch_size: Count = 1
    linger: Seconds = 0.0
    keep_alive: Flag = True
    timeout: PositiveSeconds = 10.0
    attempts: Count = 5
    retry_first: PositiveSeconds = 0.1
    retry_limit: PositiveSeconds = 10.0
    buffer: Count | None = None

    def broker(self, setting: BrokerSetting) -> PushBroker:
        return PushBroker(
            PushPolicy(
                acks=True,
                concurrency=self.concurrency,
                batch_size=self.batch_size,
                linger=self.linger,
                buffer=math.inf if self.buffer is None else self.buffer,
                timeout=self.timeout,
                retry=Retry(self.retry_first, self.retry_limit, self.attempts),
            )
        )


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

    def consumer(self, index: int) -> PushConsumer:
        return PushConsumer(index, acks=True)
