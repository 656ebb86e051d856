"""The engine in virtual time: hosts, event loops and connections, in SimPy."""

from lab.engines.simulation.engine import simulate

__all__ = ["simulate"]
