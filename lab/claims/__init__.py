"""The claims of the source chapter, each an experiment with a verdict. To add one, add it to `CLAIMS`."""

from lab.claims import freshness
from lab.claims.base import Amount, Bench, Claim, Finding

CLAIMS: tuple[Claim, ...] = (freshness.CLAIM,)

__all__ = ["CLAIMS", "Amount", "Bench", "Claim", "Finding"]
