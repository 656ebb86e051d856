"""The figures. Each function takes results or runs and returns a matplotlib `Figure`.

They use matplotlib's objects only: no pyplot, no global state, and no display is needed.
"""

from lab.plots.anatomy import anatomy
from lab.plots.backlog import backlog
from lab.plots.bars import bars
from lab.plots.cost_plane import cost_plane
from lab.plots.ecdf import ecdf
from lab.plots.offsets import offsets
from lab.plots.places import places
from lab.plots.sequence import sequence
from lab.plots.sweep import sweep

__all__ = [
    "anatomy",
    "backlog",
    "bars",
    "cost_plane",
    "ecdf",
    "offsets",
    "places",
    "sequence",
    "sweep",
]
