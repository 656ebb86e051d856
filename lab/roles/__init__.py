"""Producers, brokers, consumers and the log as pure state machines: no clock, socket or chance."""

from lab.roles.consumer import Poller, PushConsumer
from lab.roles.log import Log, Retention
from lab.roles.producer import Producer
from lab.roles.pull import PullBroker
from lab.roles.push import PushBroker
from lab.roles.retry import Retry

__all__ = [
    "Log",
    "Poller",
    "Producer",
    "PullBroker",
    "PushBroker",
    "PushConsumer",
    "Retention",
    "Retry",
]
