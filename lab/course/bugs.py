"""Bugs planted into the roles, on purpose: each breaks a promise that the delivery checker knows.

The tests see that the checker finds every one of them; in a lesson students hunt for some.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from lab.messages import Ack, Committed, DeadLettered, Dropped, Publish, Records, Save, Subscribe
from lab.roles.consumer import PushConsumer
from lab.roles.group import GroupBroker
from lab.roles.intake import Intake
from lab.roles.log import Log
from lab.roles.partition import Partition
from lab.roles.poller import Poller
from lab.roles.producer import Producer
from lab.roles.pull import PullBroker
from lab.roles.push import PushBroker


class Bug(NamedTuple):
    """A method that does something wrong; `wrong` gets the right one and returns another."""

    name: str
    where: type
    method: str
    wrong: Callable[[Callable[..., Any]], Callable[..., Any]]


def drop_every_seventeenth(right: Callable[..., Any]) -> Callable[..., Any]:
    def append(self: Log, messages: Any, now: float) -> int:
        return right(self, [m for m in messages if m % 17 != 16], now)

    return append


def expire_one_too_many(right: Callable[..., Any]) -> Callable[..., Any]:
    def expire(self: Log, now: float) -> Any:
        first, gone = right(self, now)
        if len(gone) and self.start < self.end:
            gone = [*gone, self._messages[self.start - self._first]]
            self.start += 1
        return first, gone

    return expire


def take_repetitions(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, publish: publish.messages


def accept_without_keeping(right: Callable[..., Any]) -> Callable[..., Any]:
    def take(self: Intake, publish: Publish) -> Any:
        new = right(self, publish)
        return () if publish.sequence is not None and publish.sequence % 10 == 9 else new

    return take


def hold_polls_for_ever(right: Callable[..., Any]) -> Callable[..., Any]:
    def answer(self: PullBroker, now: float) -> list[Any]:
        self._plan()
        self.wake_at = float("inf")
        return []

    return answer


def wake_polls_at_their_deadline_only(right: Callable[..., Any]) -> Callable[..., Any]:
    def publish(self: PullBroker, message: Publish, now: float) -> Any:
        held, self.held = self.held, {}
        replies = right(self, message, now)
        self.held = held
        self._plan()
        return replies

    return publish


def skip_the_first_of_many(right: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: PullBroker, fetch: Any, offset: int) -> Records:
        answer = right(self, fetch, offset)
        if len(answer.messages) > 1:
            answer = answer._replace(offset=offset + 1, messages=answer.messages[1:])
        return answer

    return read


def read_destructively_without_moving_on(right: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: PullBroker, fetch: Any, offset: int) -> Records:
        answer = right(self, fetch, offset)
        if fetch.offset is None and len(answer.messages) > 2:
            self.position[fetch.consumer] -= 1
        return answer

    return read


def share_one_cursor(right: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: PullBroker, fetch: Any, offset: int) -> Records:
        answer = right(self, fetch, offset)
        self.position[:] = [self.position[fetch.consumer]] * len(self.position)
        return answer

    return read


def save_before_the_work(right: Callable[..., Any]) -> Callable[..., Any]:
    def records(self: Poller, answer: Records, now: float) -> Any:
        outputs = right(self, answer, now)
        return (Save(self.index, self.offset, self.epoch), *outputs)

    return records


def never_save(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, offset: ()


def forget_what_is_not_acknowledged(right: Callable[..., Any]) -> Callable[..., Any]:
    def put_back(self: PushBroker, session: Any, deliveries: Any, now: float) -> None:
        session.unacked.clear()
        session.unacked_messages = 0

    return put_back


def acknowledge_before_the_work(right: Callable[..., Any]) -> Callable[..., Any]:
    def deliver(self: PushConsumer, delivery: Any, now: float) -> Any:
        outputs = right(self, delivery, now)
        early = Ack(self.index, delivery.offset, delivery.attempt, delivery.epoch)
        return (early, *outputs) if self.how.ack == "after_work" else outputs

    return deliver


def give_up_at_once(right: Callable[..., Any]) -> Callable[..., Any]:
    def failed(self: PushBroker, nack: Any, now: float) -> Any:
        delivery = self._outstanding(nack)
        if delivery is None:
            return ()
        session = self.sessions[nack.consumer]
        self._settle(session, delivery)
        return [DeadLettered(nack.consumer, delivery.messages), *self._pump(session, now)]

    return failed


def take_a_failure_for_an_ack(right: Callable[..., Any]) -> Callable[..., Any]:
    def failed(self: PushBroker, nack: Any, now: float) -> Any:
        return self._acked(Ack(nack.consumer, nack.offset, nack.attempt, nack.epoch), now)

    return failed


def drop_silently(right: Callable[..., Any]) -> Callable[..., Any]:
    def overflow(self: PushBroker, session: Any) -> Any:
        return [o for o in right(self, session) if not isinstance(o, Dropped)]

    return overflow


def send_the_newest_first(right: Callable[..., Any]) -> Callable[..., Any]:
    def pump(self: PushBroker, session: Any, now: float) -> Iterator[Any]:
        waiting = sorted(session.buffer, key=lambda w: -w.offset)
        session.buffer.clear()
        session.buffer.extend(waiting)
        yield from right(self, session, now)

    return pump


def resume_one_too_late(right: Callable[..., Any]) -> Callable[..., Any]:
    def subscribe(self: PushBroker, message: Subscribe, now: float) -> Any:
        if message.offset:
            message = message._replace(offset=message.offset + 1)
        return right(self, message, now)

    return subscribe


def ignore_the_epoch_on_resume(right: Callable[..., Any]) -> Callable[..., Any]:
    def subscribe(self: PushBroker, message: Subscribe, now: float) -> Any:
        return right(self, message._replace(epoch=self.epoch), now)

    return subscribe


def number_repetitions_anew(right: Callable[..., Any]) -> Callable[..., Any]:
    def publish(self: Producer, m: int, now: float) -> Publish:
        found = right(self, m, now)
        return found._replace(once=False)

    return publish


def forget_the_cursor_on_reconnect(right: Callable[..., Any]) -> Callable[..., Any]:
    def wake(self: PushConsumer, now: float) -> Any:
        return [asked._replace(offset=None) for asked in right(self, now)]

    return wake


def forget_what_the_group_committed(right: Callable[..., Any]) -> Callable[..., Any]:
    def rewind(self: Partition) -> int:
        self.position = self.start
        return self.position

    return rewind


def commit_what_was_fetched(right: Callable[..., Any]) -> Callable[..., Any]:
    def take(self: Partition, max_records: int) -> Any:
        taken = right(self, max_records)
        self.commit(self.position)
        return taken

    return take


def accept_a_stale_commit(right: Callable[..., Any]) -> Callable[..., Any]:
    def commit(self: GroupBroker, message: Any, now: float) -> Any:
        for number, offset in message.offsets:
            partition = self.partitions[number]
            partition.committed = partition.position = min(offset, partition.end)
        return Committed(message.consumer)

    return commit


BUGS = [
    Bug("drop every seventeenth record", Log, "append", drop_every_seventeenth),
    Bug("expire one record too many", Log, "expire", expire_one_too_many),
    Bug("take repetitions of an idempotent producer", Intake, "take", take_repetitions),
    Bug("ack to the producer without append", Intake, "take", accept_without_keeping),
    Bug("never answer a held poll", PullBroker, "_answer_held", hold_polls_for_ever),
    Bug("forget to wake a held poll", PullBroker, "_publish", wake_polls_at_their_deadline_only),
    Bug("skip a record", PullBroker, "_read", skip_the_first_of_many),
    Bug("hand a record out twice", PullBroker, "_read", read_destructively_without_moving_on),
    Bug("one cursor for all consumers", PullBroker, "_read", share_one_cursor),
    Bug("commit before the work", Poller, "_records", save_before_the_work),
    Bug("never commit", Poller, "_save", never_save),
    Bug("forget what is unacked", PushBroker, "_put_back", forget_what_is_not_acknowledged),
    Bug("ack before the work", PushConsumer, "_deliver", acknowledge_before_the_work),
    Bug("give up at the first failure", PushBroker, "_failed", give_up_at_once),
    Bug("take a failure for an ack", PushBroker, "_failed", take_a_failure_for_an_ack),
    Bug("drop without a word", PushBroker, "_overflow", drop_silently),
    Bug("newest first", PushBroker, "_pump", send_the_newest_first),
    Bug("resume one record too late", PushBroker, "_subscribe", resume_one_too_late),
    Bug("epoch ignored on resume", PushBroker, "_subscribe", ignore_the_epoch_on_resume),
    Bug("an idempotent producer without numbers", Producer, "_publish", number_repetitions_anew),
    Bug("begin anew after a rebalance", Partition, "rewind", forget_what_the_group_committed),
    Bug("commit for the group what was fetched", Partition, "take", commit_what_was_fetched),
    Bug("accept a stale commit", GroupBroker, "_commit", accept_a_stale_commit),
    Bug("forget the cursor on reconnect", PushConsumer, "wake", forget_the_cursor_on_reconnect),
]


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Have `bug` in the roles of this process, and so in everything simulated meanwhile."""
    right = getattr(bug.where, bug.method)
    with patch.object(bug.where, bug.method, bug.wrong(right)):
        yield
