"""The proxy: it passes bytes on unchanged, and each fault does to them what its description says."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from servers import on_loop

from lab.engines.loopback.proxy import LIMIT, RESET, SYSTEM_BUFFER, End, Proxy
from lab.faults import (
    AddedLatency,
    ConnectionReset,
    HalfOpen,
    LimitedBandwidth,
    LinkDown,
    LinkFault,
    LostRequest,
    LostResponse,
)

SOON = 0.05  # seconds in which something that must not happen would have happened
DOWN = LinkDown(at=0, duration=1)
SILENCE = HalfOpen(at=0, duration=1)
OPEN_FILES = Path("/dev/fd")


class Peer:
    """One end of a connection; all it got is in `got`, and `ended` says how it ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.got = bytearray()
        self.ended = ""

    async def listen(self, echo: bool = False) -> Self:
        """Read to the end."""
        try:
            while data := await self.reader.read(2**16):
                self.got += data
                if echo:
                    self.writer.write(data)
                    await self.writer.drain()
            self.ended = "closed"
        except ConnectionError:
            self.ended = "reset"
        self.writer.close()
        return self

    async def says(self, data: bytes) -> bytes:
        """Send `data`, and return an answer that is as long."""
        self.writer.write(data)
        return await self.reader.readexactly(len(data))


def reset(peer: Peer) -> None:
    its = peer.writer.transport.get_extra_info("socket")
    its.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.writer.transport.abort()


def hold_little(end: Any) -> None:
    """What a socket holds is else the system's choice: some megabytes, or some tens of them."""
    for which in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        end.setsockopt(socket.SOL_SOCKET, which, SYSTEM_BUFFER)


class Service:
    """A server that echoes, the proxy before it, and those who connect to that."""

    def __init__(self, requests_from: End = "client") -> None:
        self.requests_from = requests_from
        self.accepted: list[Peer] = []
        self.clients: list[Peer] = []
        self.errors: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, error: self.errors.append(error))
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        hold_little(self.server.sockets[0])  # and so do those that it accepts
        self.proxy = Proxy(self.server.sockets[0].getsockname()[1], self.requests_from)
        self.port = await self.proxy.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.proxy.close()
        self.server.close()
        for client in self.clients:
            client.writer.close()
        assert not self.errors

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(Peer(reader, writer))
        await self.accepted[-1].listen(echo=True)

    async def dial(self) -> Peer:
        self.clients.append(Peer(*await asyncio.open_connection("127.0.0.1", self.port)))
        hold_little(self.clients[-1].writer.get_extra_info("socket"))
        return self.clients[-1]

    async def dialled(self) -> Peer:
        """Return a client that has been answered."""
        client = await self.dial()
        assert await client.says(b"hello") == b"hello"
        return client

    async def begin(self, fault: LinkFault) -> None:
        await self.proxy.obey(fault, True)

    async def end(self, fault: LinkFault) -> None:
        await self.proxy.obey(fault, False)


@asynccontextmanager
async def during(service: Service, *faults: LinkFault) -> AsyncIterator[None]:
    for fault in faults:
        await service.begin(fault)
    yield
    for fault in faults:
        await service.end(fault)


async def until(true: Callable[[], Any]) -> None:
    while not true():
        await asyncio.sleep(0.001)


async def never(wait: Awaitable[Any]) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait, SOON)


async def took(wait: Awaitable[Any]) -> float:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await wait
    return loop.time() - begun


def some_bytes(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count)


@on_loop
async def test_bytes_pass_unchanged_and_without_delay() -> None:
    async with Service() as service:
        client = await service.dialled()
        data = some_bytes(3_000_000)
        assert await client.says(data) == data
        for one in next(iter(service.proxy.pairs)).sockets:
            assert one.transport is not None
            its = one.transport.get_extra_info("socket")
            assert its.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@on_loop
async def test_an_end_that_is_done_can_still_listen() -> None:
    async with Service() as service:
        client = await service.dial()
        data = some_bytes(1_000_000)
        client.writer.write(data)
        client.writer.write_eof()
        await client.listen()
        assert (client.got, client.ended) == (data, "closed")
        assert service.accepted[0].ended == "closed"
        await until(lambda: not service.proxy.pairs)


@on_loop
async def test_a_slow_reader_gets_the_last_byte_before_the_end() -> None:
    async with Service() as service:
        client = await service.dialled()
        data = some_bytes(5_000_000)
        service.accepted[0].writer.write(data)
        client.writer.write_eof()
        await asyncio.sleep(SOON)  # nobody reads
        await client.listen()
        assert (client.got, client.ended) == (data, "closed")
        await until(lambda: not service.proxy.pairs)


@on_loop
async def test_a_refusal_is_passed_on() -> None:
    async with Service() as service:
        service.server.close()
        await service.server.wait_closed()
        client = await service.dial()
        client.writer.write(b"anyone?")
        assert (await client.listen()).ended == "reset"
        assert not service.proxy.pairs


@pytest.mark.parametrize("end", ["client", "server"])
@on_loop
async def test_a_reset_is_passed_on(end: str) -> None:
    async with Service() as service:
        client = await service.dialled()
        peers = {"client": client, "server": service.accepted[0]}
        listening = asyncio.create_task(client.listen())
        reset(peers.pop(end))
        (other,) = peers.values()
        await until(lambda: other.ended)
        assert other.ended == "reset"
        await until(lambda: not service.proxy.pairs)
        await listening


@pytest.mark.parametrize("fault", [DOWN, ConnectionReset(at=0)])
@on_loop
async def test_a_broken_link_is_told_to_both_ends(fault: LinkFault) -> None:
    async with Service() as service:
        for _ in range(3):
            await service.dialled()
        await service.begin(fault)
        for peer in (*service.clients, *service.accepted):
            if peer in service.clients:
                await peer.listen()
            await until(lambda peer=peer: peer.ended)
            assert peer.ended == "reset"
        if fault is DOWN:
            for _ in range(3):
                late = await service.dial()
                assert (await late.listen()).ended == "reset"
            await service.end(fault)
        assert len(service.accepted) == 3
        await service.dialled()


@on_loop
async def test_a_connection_can_be_broken_at_any_moment_of_its_making() -> None:
    async with Service() as service:
        for turns in range(10):
            client = await service.dial()
            while not service.proxy.pairs:
                await asyncio.sleep(0)
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.wait_for(service.begin(ConnectionReset(at=0)), 10)
            assert (await client.listen()).ended == "reset"
            assert not service.proxy.pairs


@on_loop
async def test_on_a_half_open_link_everything_vanishes_and_nobody_is_told() -> None:
    async with Service() as service:
        old, gone = await service.dialled(), await service.dialled()
        async with during(service, SILENCE):
            new = await service.dial()
            gone.writer.close()
            for client in (old, new):
                await never(client.says(b"anyone?"))
            service.accepted[0].writer.write(b"anyone?")
            await never(old.reader.read(1))
            assert [peer.got for peer in service.accepted] == [b"hello", b"hello"]
            assert not any(peer.ended for peer in service.accepted)
        for client in (old, new):
            assert (await client.listen()).ended == "reset"
        await until(lambda: all(peer.ended == "reset" for peer in service.accepted))
        assert len(service.accepted) == 2
        await service.dialled()


@on_loop
async def test_a_half_open_link_takes_any_amount() -> None:
    async with Service() as service:
        client = await service.dialled()
        async with during(service, SILENCE):
            client.writer.write(some_bytes(20_000_000))
            await asyncio.wait_for(client.writer.drain(), 10)


@on_loop
async def test_a_half_open_link_takes_what_had_to_wait_and_tells_nobody_of_a_reset() -> None:
    async with Service() as service:
        client = await service.dialled()
        client.writer.write(some_bytes(60_000_000))
        before, left = 0, 1
        while left != before:  # nobody reads the echo, so that in the end nothing moves
            await asyncio.sleep(2 * SOON)
            before, left = left, client.writer.transport.get_write_buffer_size()
        assert left > 10_000_000
        async with during(service, SILENCE):
            await asyncio.wait_for(client.writer.drain(), 10)
            reset(client)
            await asyncio.sleep(SOON)
            assert not service.accepted[0].ended
            assert len(service.accepted[0].got) < 60_000_000
        await until(lambda: service.accepted[0].ended == "reset")


@pytest.mark.parametrize("requests_from", ["client", "server"])
@pytest.mark.parametrize("fault", [LostRequest(at=0), LostResponse(at=0)])
@on_loop
async def test_one_chunk_is_lost_and_its_connection_with_it(
    fault: LinkFault, requests_from: End
) -> None:
    async with Service(requests_from) as service:
        victim, other = await service.dialled(), await service.dialled()
        await service.begin(fault)
        victim.writer.write(b"once")
        await victim.listen()
        await until(lambda: service.accepted[0].ended)
        assert victim.ended == service.accepted[0].ended == "reset"
        arrives = isinstance(fault, LostRequest) == (requests_from == "server")
        assert service.accepted[0].got == (b"helloonce" if arrives else b"hello")
        assert not victim.got
        assert await other.says(b"more") == b"more"


@on_loop
async def test_latency_is_added_each_way_and_order_is_kept() -> None:
    async with Service() as service:
        client = await service.dialled()
        early, late = AddedLatency(at=0, delay=0.04), AddedLatency(at=0, delay=0.02)
        async with during(service, early, late):
            assert 0.119 <= await took(client.says(b"slow")) < 5
            for digit in b"0123":
                client.writer.write(bytes([digit]))
                await asyncio.sleep(0.002)
        for digit in b"4567":
            client.writer.write(bytes([digit]))
            await asyncio.sleep(0.002)
        assert await client.reader.readexactly(8) == b"01234567"
        assert min([await took(client.says(b"quick")) for _ in range(10)]) < 0.06


@on_loop
async def test_latency_does_not_limit_how_much_passes() -> None:
    async with Service() as service:
        client = await service.dialled()
        data = some_bytes(15_000_000)
        usual = await took(client.says(data))
        async with during(service, AddedLatency(at=0, delay=0.1)):
            assert 0.199 <= await took(client.says(data)) < 3 + 3 * usual


@on_loop
async def test_the_end_comes_after_what_is_delayed() -> None:
    async with Service() as service:
        client = await service.dialled()
        async with during(service, AddedLatency(at=0, delay=0.03)):
            client.writer.write(b"last words")
            client.writer.write_eof()
            await client.listen()
        assert (client.got, client.ended) == (b"last words", "closed")
        assert service.accepted[0].ended == "closed"


@on_loop
async def test_bandwidth_is_limited_until_the_fault_is_over() -> None:
    async with Service() as service:
        client = await service.dialled()
        got = service.accepted[0]
        data = some_bytes(2_000_000)
        limits = LimitedBandwidth(at=0, rate=200_000), LimitedBandwidth(at=0, rate=900_000)
        async with during(service, *limits):
            await asyncio.sleep(0.25)  # of which nothing can be made up for
            client.writer.write(data)
            assert await took(until(lambda: len(got.got) > 40_000)) > 0.19
        await asyncio.wait_for(client.reader.readexactly(len(data)), 5)  # not in 10 s
        assert got.got == b"hello" + data


@on_loop
async def test_connections_share_the_bandwidth_of_their_link() -> None:
    async with Service() as service:
        clients = [await service.dialled() for _ in range(4)]
        async with during(service, LimitedBandwidth(at=0, rate=100_000)):
            for client in clients:
                client.writer.write(bytes(20_000))
            peers = service.accepted
            together = await took(until(lambda: max(len(peer.got) for peer in peers) > 20_000))
            got = [len(peer.got) for peer in peers]
            assert sum(got) < 100_000 * together + 2_000
            assert min(got) > 15_000  # each its part


@on_loop
async def test_latency_and_bandwidth_add_up() -> None:
    async with Service() as service:
        client = await service.dialled()
        faults = AddedLatency(at=0, delay=0.1), LimitedBandwidth(at=0, rate=100_000)
        async with during(service, *faults):
            assert 0.299 <= await took(client.says(bytes(10_000))) < 5


@on_loop
async def test_faults_overlap() -> None:
    async with Service() as service:
        await service.begin(DOWN)
        await service.begin(SILENCE)
        assert (await (await service.dial()).listen()).ended == "reset"
        await service.end(DOWN)
        await never((await service.dial()).says(b"anyone?"))
        await service.begin(ConnectionReset(at=0))
        await never((await service.dial()).says(b"anyone?"))
        await service.end(SILENCE)
        await service.dialled()
        assert len(service.accepted) == 1


@pytest.mark.parametrize("faults", [[], [AddedLatency(at=0, delay=0.01)]])
@on_loop
async def test_who_does_not_read_makes_the_other_wait(faults: list[LinkFault]) -> None:
    async with Service() as service, during(service, *faults):
        client = await service.dialled()
        data = some_bytes(40_000_000)
        client.writer.write(data)
        await never(client.writer.drain())  # nobody reads the echo
        (pair,) = service.proxy.pairs
        for one in pair.sockets:
            assert one.transport is not None
            held = len(one.out.waiting) + one.transport.get_write_buffer_size()
            assert held < 4 * (LIMIT + SYSTEM_BUFFER)
        assert await client.reader.readexactly(len(data)) == data


@on_loop
async def test_limited_bandwidth_makes_the_sender_wait() -> None:
    async with Service() as service:
        client = await service.dialled()
        async with during(service, LimitedBandwidth(at=0, rate=1000)):
            client.writer.write(bytes(20_000_000))
            await never(client.writer.drain())


@on_loop
async def test_closing_leaves_nothing_behind() -> None:
    before, tasks = len(os.listdir(OPEN_FILES)), len(asyncio.all_tasks())
    async with Service() as service:
        first, second, *_ = [await service.dialled() for _ in range(5)]
        await service.begin(AddedLatency(at=0, delay=5))
        first.writer.write(b"on its way")
        second.writer.write_eof()
        await service.begin(SILENCE)
        for _ in range(5):
            await service.dial()
        await service.proxy.close()
        for client in service.clients:
            assert (await client.listen()).ended == "reset"
        await until(lambda: all(peer.ended == "reset" for peer in service.accepted))
        assert not service.proxy.pairs
        with pytest.raises(ConnectionRefusedError):
            await service.dial()
    await until(lambda: len(asyncio.all_tasks()) == tasks)
    assert len(os.listdir(OPEN_FILES)) == before


FAULTS: list[LinkFault] = [
    DOWN,
    SILENCE,
    ConnectionReset(at=0),
    LostRequest(at=0),
    LostResponse(at=0),
    AddedLatency(at=0, delay=0.004),
    AddedLatency(at=0, delay=0.001),
    LimitedBandwidth(at=0, rate=300_000),
    LimitedBandwidth(at=0, rate=3_000_000),
]


@pytest.mark.parametrize("seed", range(5))
@on_loop
async def test_whatever_goes_wrong_what_arrives_is_what_was_sent_up_to_some_point(
    seed: int,
) -> None:
    chance = random.Random(seed)
    async with Service() as service:
        stop = asyncio.Event()

        async def talk(number: int) -> int:
            """Connect again and again; send what tells the offset; return how much came back."""
            total, sent = 0, some_bytes(100_000, number)
            while not stop.is_set():
                client = await service.dial()
                reading = asyncio.create_task(client.listen())
                for at in range(0, len(sent), 5000):
                    client.writer.write(sent[at : at + 5000])
                    await asyncio.sleep(0.001)
                    if reading.done() or stop.is_set():
                        break
                client.writer.close()
                await asyncio.wait({reading}, timeout=0.5)
                reading.cancel()
                assert sent[: len(client.got)] == client.got
                total += len(client.got)
            return total

        def arrived() -> int:
            return sum(len(client.got) for client in service.clients)

        talks = [asyncio.create_task(talk(number)) for number in range(4)]
        lasting: list[LinkFault] = []
        for _ in range(150):
            fault = chance.choice(FAULTS)
            if fault in lasting:
                lasting.remove(fault)
                await service.end(fault)
            else:
                await service.begin(fault)
                lasting += [fault] * bool(fault.duration)
            await asyncio.sleep(chance.uniform(0, 0.01))
        for fault in lasting:
            await service.end(fault)
        before = arrived()
        await until(lambda: arrived() > before + 10_000)
        stop.set()
        assert sum(await asyncio.gather(*talks)) > 10_000
        assert not service.proxy.faults
