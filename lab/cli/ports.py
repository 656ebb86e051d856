"""Ports that a user names, refused before anything is started if they cannot be listened on."""

import errno
import socket

from lab.description import InvalidInput


def check_port(port: int | None, host: str = "127.0.0.1") -> None:
    """Refuse a port that is none or in use, or a host that is not this machine's."""
    if port is None:
        return
    if not 1 <= port <= 65535:
        raise InvalidInput(f"--port: got {port}; need 1 to 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise InvalidInput(f"--host: got {host}; need an address ({error.strerror})") from None
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise InvalidInput(f"--host: got {host}; need an address of this machine") from None
            raise InvalidInput(f"--port: got {port}; need a free port ({error.strerror})") from None
