"""Consumer group: members share out the partitions of a log, and each message is worked on by one."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.description import Count, PositiveSeconds
from lab.roles import GroupBroker, GroupMember, Membership, Polling
from lab.strategies.base import FRESH, BrokerSetting, Care, Exchange, Start
from lab.strategies.short_poll import Pull
from lab.wire.group_format import GroupFormat

MOST_PARTITIONS = 256  # a request names them all


class ConsumerGroup(Pull):
    """Kafka's consumer group: the members share the partitions, each message goes to one of them.

    Message m is in partition m modulo `partitions`. Each member fetches as in a long poll, works,
    and commits to the broker (or commits and then works). One that gives no sign of life for
    `session_timeout`, or works for longer than `max_poll` between two fetches, is taken out of the
    group; then the others share the partitions anew, from where the commits stand.
    """

    kind: Literal["ConsumerGroup"] = "ConsumerGroup"
    shared: ClassVar[bool] = True
    paced: ClassVar[tuple[str, ...]] = ("max_wait",)
    commit: Literal["after_work", "before_work"] = "after_work"
    begin: Literal["earliest"] = "earliest"
    from_offset: None = None
    from_time: None = None
    partitions: Annotated[Count, Field(le=MOST_PARTITIONS)] = 6
    max_wait: Annotated[PositiveSeconds, Field(le=300)] = 1.0
    session_timeout: PositiveSeconds = 1.0
    heartbeat: PositiveSeconds = 0.2
    max_poll: PositiveSeconds = 5.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.heartbeat >= self.session_timeout:
            raise ValueError(
                f"need a heartbeat below session_timeout, got {self.heartbeat:g} s"
                f" and {self.session_timeout:g} s"
            )
        return self

    @property
    def concurrency(self) -> int:
        """How many messages may overtake one another: those of different partitions."""
        return self.partitions

    @property
    def wire(self) -> Exchange:
        return Exchange(GroupFormat(), server="broker")

    @property
    def care(self) -> Care:
        window = self.max_records * self.partitions
        patience = min(self.session_timeout, self.max_poll)
        return Care(self.commit, window, replay=True, patience=patience)

    @property
    def terms(self) -> Membership:
        return Membership(self.session_timeout, self.heartbeat, self.max_poll)

    def broker(self, setting: BrokerSetting) -> GroupBroker:
        return GroupBroker(setting.log(), self.partitions, self.terms, setting.epoch)

    def polling(self) -> Polling:
        return Polling(
            max_records=self.max_records,
            max_wait=self.max_wait,
            commit=self.commit,
            tries=self.tries,
            timeout=self.timeout,
        )

    def consumer(self, index: int, start: Start = FRESH) -> GroupMember:
        return GroupMember(index, self.polling(), self.terms, start.luck)
