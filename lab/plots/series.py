"""What sweeps and bars draw: series of intervals by name, and the panels in which they stand."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lab.metrics import Interval

Point = tuple[float, Interval]


class Series(NamedTuple):
    """A metric over a sweep, in one `panel`: its intervals at each x, in the order of x.

    A bar is a series of a single point, whose x says nothing.
    """

    name: str
    points: Sequence[Point]
    panel: str = ""


class Panel(NamedTuple):
    """A panel: the series that it shows are those of its `name`. Labels carry the units.

    `scale` multiplies all values, as 1000 for milliseconds; `level` is a line to compare with, and
    `says` what it is.
    """

    title: str
    value: str
    sweep: str = ""
    name: str = ""
    scale: float = 1.0
    level: float | None = None
    says: str = ""
    logarithmic: bool = True


SeriesByEngine = Mapping[str, Sequence[Series]]


def of_panel(drawn: SeriesByEngine, panel: Panel) -> list[tuple[str, Series]]:
    """Return the series of one panel, each with its engine."""
    return [(e, s) for e, some in drawn.items() for s in some if s.panel == panel.name]


def names(drawn: SeriesByEngine) -> list[str]:
    """Return the names of all series, in the order in which they first come."""
    return list(dict.fromkeys(s.name for some in drawn.values() for s in some))
