"""The TCP sockets of running processes, as the system tells them: who listens, and who connected to whom.

Only where there is a /proc, as on Linux; addresses are those of IPv4.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
LISTEN, ESTABLISHED = "0A", "01"  # states of a socket in /proc/net/tcp


@dataclass
class Sockets:
    """What was seen of one process: its listening ports, and (local, remote) ports of connections."""

    listening: set[int] = field(default_factory=set)
    connected: set[tuple[int, int]] = field(default_factory=set)

    @property
    def accepted(self) -> set[tuple[int, int]]:
        """The connections that others made to its listening ports."""
        return {pair for pair in self.connected if pair[0] in self.listening}

    def add(self, other: "Sockets") -> None:
        self.listening |= other.listening
        self.connected |= other.connected


def can_tell() -> bool:
    """Say whether this system tells the sockets of a process."""
    return (PROC / "self" / "net" / "tcp").is_file()


def of_process(pid: int) -> Sockets:
    """Return the sockets that a process has now; none if it is gone."""
    found = Sockets()
    try:
        mine = set(_inodes(PROC / str(pid) / "fd"))
        table = (PROC / str(pid) / "net" / "tcp").read_text(encoding="ascii")
    except OSError:
        return found
    for line in table.splitlines()[1:]:
        _, local, remote, state, *others = line.split()
        if others[5] not in mine:
            continue
        if state == LISTEN:
            found.listening.add(_port(local))
        elif state == ESTABLISHED:
            found.connected.add((_port(local), _port(remote)))
    return found


def _inodes(folder: Path) -> Iterator[str]:
    """Yield the inodes of the sockets among a process's open files."""
    for name in os.listdir(folder):
        try:
            target = os.readlink(folder / name)
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def connections(seen: Mapping[str, Sockets]) -> dict[tuple[str, str], int]:
    """Return how many connections were made from one process to another, by their names."""
    owners = {
        local: name
        for name, sockets in seen.items()
        for local, _ in sockets.connected - sockets.accepted
    }
    found: dict[tuple[str, str], int] = {}
    for name, sockets in seen.items():
        for _, remote in sockets.accepted:
            pair = owners.get(remote, "?"), name
            found[pair] = found.get(pair, 0) + 1
    return found


def parties(made: Iterable[tuple[str, str]], name: str) -> int:
    """Return how many processes connected to that one: so many it has to authenticate."""
    return len({asker for asker, listener in made if listener == name})
