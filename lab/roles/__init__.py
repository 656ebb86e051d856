"""Producers, brokers, consumers and the log as pure state machines: no clock, socket or chance."""

from lab.roles.consumer import PushConsumer, PushReception, RateLimit
from lab.roles.group import GroupBroker, Membership
from lab.roles.log import Log, Retention
from lab.roles.member import GroupMember
from lab.roles.poller import Poller, Polling
from lab.roles.producer import Producer, PublishPolicy
from lab.roles.pull import PullBroker
from lab.roles.push import PushBroker
from lab.roles.retry import Retry

__all__ = [
    "GroupBroker",
    "GroupMember",
    "Log",
    "Membership",
    "Poller",
    "Polling",
    "Producer",
    "PublishPolicy",
    "PullBroker",
    "PushBroker",
    "PushConsumer",
    "PushReception",
    "RateLimit",
    "Retention",
    "Retry",
]
