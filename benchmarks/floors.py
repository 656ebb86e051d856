"""The floors: bare loops on the libraries, in processes like those of the lab's measured runs.

Cores, event loop, library settings and timer slack are the lab's, and so is the garbage collector:
frozen and off. Frames and bodies are as long as the lab's. Where the lab has to turn a record into
JSON and back, so does the bare loop, by an f-string and `json.loads`. There are no roles, stamps,
counters or checks of what arrives.
"""

import asyncio
import multiprocessing
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Self

import bare_aiohttp
import bare_websockets
from meter import Load, Part, Used

from lab.engines.loopback import settings

PATIENCE = 60.0  # seconds until a process that does not answer is given up

FLOORS: dict[str, dict[str, Part]] = {  # what runs on which side of the lab; the first listens
    "echo": {
        "broker": bare_websockets.acked_push_server,
        "target": bare_websockets.acking_subscriber,
    },
    "flood": {
        "broker": bare_websockets.push_server,
        "target": bare_websockets.subscriber,
    },
    "relay with acks": {
        "broker": bare_websockets.acked_relay_server,
        "target": bare_websockets.acking_subscriber,
        "source": bare_websockets.publisher,
    },
    "relay": {
        "broker": bare_websockets.relay_server,
        "target": bare_websockets.subscriber,
        "source": bare_websockets.publisher,
    },
    "POST": {"target": bare_aiohttp.server, "source": bare_aiohttp.post_client},
    "GET": {"broker": bare_aiohttp.server, "target": bare_aiohttp.get_client},
}


class Cost(NamedTuple):
    """Seconds per message: on the wall, and of CPU by side."""

    wall: float
    cpu: dict[str, float]


class Floors:
    """Runs floors in processes that are kept from run to run. Use as a context manager."""

    def __init__(self) -> None:
        self.pipes: dict[str, Connection] = {}
        self.processes: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in self.pipes.values():
            pipe.close()
        for process in self.processes:
            process.join(2)
            if process.is_alive():
                process.kill()

    def run(self, name: str, load: Load) -> Cost:
        """Run the floor of that name; the time to connect is not counted."""
        parts = FLOORS[name]
        server, *clients = parts
        self._send(server, parts[server], load, None)
        port = self._answer(server)
        for client in clients:
            self._send(client, parts[client], load, port)
        used: dict[str, Used] = {side: self._answer(side) for side in parts}
        begun_at = max(u.begun_at for u in used.values())
        ended_at = max(u.ended_at for u in used.values())
        cpu = {side: u.cpu / load.count for side, u in used.items()}
        return Cost((ended_at - begun_at) / load.count, cpu)

    def _send(self, side: str, part: Part, load: Load, port: int | None) -> None:
        if side not in self.pipes:
            spawn = multiprocessing.get_context("spawn")
            self.pipes[side], theirs = spawn.Pipe()
            core = settings.core_of(side)
            process = spawn.Process(target=take_part, args=(theirs, core), daemon=True)
            process.start()
            theirs.close()
            self.processes.append(process)
        self.pipes[side].send((part, load, port))

    def _answer(self, side: str) -> Any:
        if not self.pipes[side].poll(PATIENCE):
            raise TimeoutError(f"{side}: no answer for {PATIENCE:g} s")
        return self.pipes[side].recv()


def take_part(pipe: Connection, core: int | None) -> None:
    """Run one part after the other until the pipe is closed. The entry point of a process."""
    settings.prepare_process(core)
    while True:
        try:
            part, load, port = pipe.recv()
        except (EOFError, OSError):
            return
        with asyncio.Runner(loop_factory=settings.new_event_loop) as runner:
            pipe.send(runner.run(part(load, pipe.send if port is None else port)))
