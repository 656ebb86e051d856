"""The findings of a validation, and the same as JSON. Tables and Markdown are made from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.metrics import plain
from lab.validation.goals import Goal, goals
from lab.validation.judge import costs, judge
from lab.validation.observed import Observation
from lab.validation.rows import Cost, Row, worst_first
from lab.validation.summary import Group, summarise

WORST = 10


@dataclass(frozen=True)
class Findings:
    """All that a validation found; `rows` have the worst first, and no row is left out.

    `manifest` says where it comes from: the keys `machine`, `date` and `session`.
    """

    rows: list[Row]
    costs: list[Cost]
    groups: list[Group]
    goals: list[Goal]
    manifest: dict[str, Any]

    @property
    def worst(self) -> list[Row]:
        """The rows with the largest errors, of those that the lab answers for."""
        return [row for row in self.rows if row.promised][:WORST]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data: times in seconds, errors as shares, None for unknown."""
        manifest = {name: self.manifest.get(name) for name in ("machine", "date", "session")}
        return plain(manifest) | {
            "points": [row.to_json() for row in self.rows],
            "throughput": [cost.to_json() for cost in self.costs],
            "summary": [group.to_json() for group in self.groups],
            "goals": [goal.to_json() for goal in self.goals],
            "worst": [row.to_json() | {"anatomy": _anatomy(row)} for row in self.worst],
        }


def find(observations: Sequence[Observation], manifest: dict[str, Any]) -> Findings:
    """Judge `observations`: rows, costs, their summary and the goals."""
    rows, spent = worst_first(judge(observations)), costs(observations)
    return Findings(rows, spent, summarise(rows), goals(rows, spent), manifest)


def _anatomy(row: Row) -> dict[str, Any]:
    pairs = row.anatomy.items()
    return plain({part: {"predicted": p, "measured": m} for part, (p, m) in pairs})
