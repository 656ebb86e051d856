"""The ways of delivering. To add one, write a file like these and add its class to `STRATEGIES`."""

from lab.strategies.base import FRESH, BrokerSetting, Call, Care, Exchange, Start, Strategy, Stream
from lab.strategies.consumer_group import ConsumerGroup
from lab.strategies.http_ingest import HttpIngest
from lab.strategies.in_process_long_poll import InProcessLongPoll
from lab.strategies.long_poll import LongPoll
from lab.strategies.poll_then_pull import PollThenPull
from lab.strategies.server_sent_events import ServerSentEvents
from lab.strategies.short_poll import ShortPoll
from lab.strategies.webhook import Webhook
from lab.strategies.websocket_push import WebSocketPush

STRATEGIES: tuple[type[Strategy], ...] = (
    WebSocketPush,
    ServerSentEvents,
    Webhook,
    HttpIngest,
    ShortPoll,
    PollThenPull,
    LongPoll,
    ConsumerGroup,
    InProcessLongPoll,
)

__all__ = [
    "FRESH",
    "STRATEGIES",
    "BrokerSetting",
    "Call",
    "Care",
    "ConsumerGroup",
    "Exchange",
    "HttpIngest",
    "InProcessLongPoll",
    "LongPoll",
    "PollThenPull",
    "ServerSentEvents",
    "ShortPoll",
    "Start",
    "Strategy",
    "Stream",
    "WebSocketPush",
    "Webhook",
]
