"""The claims of the source chapter, each an experiment with a verdict. To add one, add it to `CLAIMS`."""

from lab.claims.base import Amount, Bench, Claim, Finding

CLAIMS: tuple[Claim, ...] = ()

__all__ = ["CLAIMS", "Amount", "Bench", "Claim", "Finding"]
