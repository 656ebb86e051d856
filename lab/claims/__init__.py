"""The claims of the source chapter, each an experiment with a verdict. To add one, add it to `CLAIMS`."""

from lab.claims import (
    batch_choice,
    busy_poll,
    connections,
    costs,
    efficiency,
    fan_out,
    freshness,
    immutable,
    inserts,
    listening,
    missed,
    overload,
    poll_first,
    rare,
    rate_limit,
    speed,
    status_acks,
    transits,
)
from lab.claims.base import Amount, Bench, Claim, Finding

CLAIMS: tuple[Claim, ...] = (
    freshness.CLAIM,
    costs.CLAIM,
    speed.CLAIM,
    connections.CLAIM,
    rare.CLAIM,
    efficiency.CLAIM,
    missed.CLAIM,
    overload.CLAIM,
    rate_limit.CLAIM,
    batch_choice.CLAIM,
    fan_out.CLAIM,
    transits.CLAIM,
    poll_first.CLAIM,
    busy_poll.CLAIM,
    inserts.CLAIM,
    status_acks.CLAIM,
    listening.CLAIM,
    immutable.CLAIM,
)

__all__ = ["CLAIMS", "Amount", "Bench", "Claim", "Finding"]
