"""The claims of the source chapter, each an experiment with a verdict. To add one, add it to `CLAIMS`."""

from lab.claims import (
    connections,
    costs,
    efficiency,
    freshness,
    missed,
    overload,
    rate_limit,
    speed,
)
from lab.claims.base import Amount, Bench, Claim, Finding

CLAIMS: tuple[Claim, ...] = (
    freshness.CLAIM,
    costs.CLAIM,
    speed.CLAIM,
    connections.CLAIM,
    efficiency.CLAIM,
    missed.CLAIM,
    overload.CLAIM,
    rate_limit.CLAIM,
)

__all__ = ["CLAIMS", "Amount", "Bench", "Claim", "Finding"]
