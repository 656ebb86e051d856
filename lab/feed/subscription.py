"""One subscriber: a push broker of its own, which is given what the log has as fast as it takes it.

The broker (a role of the lab) holds a few messages at most; one whose consumer is slow takes no
more, and falls behind in the log, until it catches up or the log has forgotten what it wants.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from lab.engines.loopback.actor import Actor
from lab.feed import limits
from lab.feed.board import Board
from lab.feed.formats import NotHere
from lab.messages import Deliver, Publish, Subscribe
from lab.roles import PushBroker
from lab.roles.push import PushPolicy
from lab.roles.retry import NO_LUCK, Luck


class Subscription(Actor):
    """Delivers the messages of `board` from `first` on, as `policy` says; `send` puts them on a wire.

    The policy must block when its buffer is full.
    """

    def __init__(
        self,
        board: Board,
        policy: PushPolicy,
        first: int,
        send: Callable[[Deliver], None],
        luck: Luck = NO_LUCK,
    ) -> None:
        role = PushBroker(policy, luck=luck)
        role.end = first  # it numbers what it is given from there on
        super().__init__(role, board.place)
        self.board = board
        self.next = first
        self.send = send
        self.forgotten = asyncio.Event()  # the log has, what it was about to send
        self.handle(Subscribe(0))

    async def run(self) -> None:
        """Hand on what the log has, for ever. Raises `NotHere` if it has forgotten what is next."""
        await until_one_ends(self._hand_on(), self.forgotten.wait())
        raise NotHere(self.board.described())

    async def _hand_on(self) -> None:
        log = self.board.log
        while True:
            await self.board.beyond(self.next)
            await self.accepts()
            if self.next < log.start:
                return
            some = log.read(self.next, limits.CHUNK)
            self.next += len(some)
            self.handle(Publish(some))
            await asyncio.sleep(0)  # others have a turn, and the wire a chance to say it is full

    def emit(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            if self.forgotten.is_set():
                return  # nothing may follow a gap
            if isinstance(output, Deliver):
                self._send(output)
            else:
                self.give_up(output)

    def _send(self, delivery: Deliver) -> None:
        try:
            self.send(delivery)
        except NotHere:  # it waited too long in the role's buffer
            self.forgotten.set()

    def give_up(self, output: Any) -> None:
        """Take note that every attempt at a delivery has failed."""


async def until_one_ends(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Run all until one ends, then end the others; raise what that one raised."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
