"""HTTP ingest: no broker; the source itself sends POST or PUT to the target's endpoint."""

from typing import ClassVar, Literal

from lab.roles import PushConsumer
from lab.strategies.base import FRESH, Exchange, Start
from lab.strategies.webhook import RequestPush
from lab.wire.formats import PushFormat


class HttpIngest(RequestPush):
    """HTTP requests from the source to the target, one message or a batch in each.

    POST appends; PUT names the message, so that the target does a repeated one only once.
    The source keeps what it has not yet sent, and retries as `Webhook` does.
    """

    kind: Literal["HttpIngest"] = "HttpIngest"
    method: Literal["POST", "PUT"] = "POST"
    brokerless: ClassVar[bool] = True

    @property
    def wire(self) -> Exchange:
        return Exchange(PushFormat(self.method), server="consumer", keep_alive=self.keep_alive)

    def consumer(self, index: int, start: Start = FRESH) -> PushConsumer:
        consumer = self.model_copy(update={"idempotent": True}) if self.method == "PUT" else self
        return super(HttpIngest, consumer).consumer(index, start)
