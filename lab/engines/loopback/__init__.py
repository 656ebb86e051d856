"""The engine in real time: the same roles on asyncio, over real sockets on 127.0.0.1."""

from lab.engines.loopback.session import Session, measure

__all__ = ["Session", "measure"]
