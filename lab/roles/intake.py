"""What a broker owes to its producer: an answer to what it published, and each of it only once."""

from collections.abc import Sequence

from lab.messages import Accepted, Message, Publish
from lab.roles.log import Log


class Intake:
    """Takes published messages in. `log`, if any, remembers the last sequence number for it."""

    def __init__(self, log: Log | None = None) -> None:
        self.log = log
        self.last: int | None = log.sequence if log else None

    def take(self, publish: Publish) -> Sequence[int]:
        """Return the messages that are new: none of a repetition, or after a gap."""
        sequence = publish.sequence
        if sequence is None or not publish.once:
            return publish.messages
        if self.last is not None and sequence != self.last + 1:
            return ()
        self.last = sequence
        if self.log:
            self.log.sequence = sequence
        return publish.messages

    def answer(self, publish: Publish) -> Sequence[Message]:
        """Return what to answer once the messages are kept; nothing after a gap."""
        sequence = publish.sequence
        if sequence is None or (publish.once and self.last is not None and sequence > self.last):
            return ()
        return (Accepted(sequence),)
