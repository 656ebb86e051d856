"""The figures. Each function takes results or runs and returns a matplotlib `Figure`.

They use matplotlib's objects only: no pyplot, no global state, and no display is needed. A figure
is written by `figure.savefig("name.png")`; in a notebook it shows itself as the value of a cell.
"""

from lab.plots.anatomy import anatomy
from lab.plots.backlog import backlog
from lab.plots.bars import bars
from lab.plots.batch_size import Batch, batch_size
from lab.plots.cost_plane import cost_plane
from lab.plots.decision import Contest, contest, decision
from lab.plots.ecdf import ecdf
from lab.plots.idle import idle
from lab.plots.lag import lag
from lab.plots.load import Level, load
from lab.plots.offsets import offsets
from lab.plots.places import places
from lab.plots.sequence import sequence
from lab.plots.sweep import sweep

__all__ = [
    "Batch",
    "Contest",
    "Level",
    "anatomy",
    "backlog",
    "bars",
    "batch_size",
    "contest",
    "cost_plane",
    "decision",
    "ecdf",
    "idle",
    "lag",
    "load",
    "offsets",
    "places",
    "sequence",
    "sweep",
]
