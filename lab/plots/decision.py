"""Decision map: who wins where, coloured only where the 95 % intervals separate."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from lab.metrics import Interval, Metrics, Run, summarise
from lab.plots import style
from lab.show import ENGINES, number, wrap

PANEL = (6.0, 4.6)  # inches
LETTERS = "ABCDEFGHJK"
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo", "||", "**")
CLOSE = 1.95  # a factor below this is shown with two decimals
NOBODY = "no measurable difference"
UNDECIDED = "="  # its letter


class Contest(NamedTuple):
    """One square of the map: the scores of all strategies at `x` and `y` on one engine.

    `scores` are means with 95 % intervals, all in the same unit; the smallest is best.
    """

    x: float
    y: float
    engine: str
    scores: Mapping[str, Interval]


def contest(
    x: float,
    y: float,
    runs: Sequence[Run],
    metric: Callable[[Metrics], float],
    names: Callable[[str], str] = str,
) -> Contest:
    """Return the contest between `runs` of one engine, by a metric of which less is better.

    In each replication all had the same messages. So each is compared with the mean of all in that
    replication: scores are shares of it, and what hits all alike is not in their intervals. `names`
    makes the contenders' names of the labels: those whose knob is an axis of the map have another
    label in each square.
    """
    values = np.array([[metric(summarise(trace)) for trace in run.traces] for run in runs])
    shares = values / values.mean(axis=0)
    scores = {
        names(run.strategy): Interval.over(mine) for run, mine in zip(runs, shares, strict=True)
    }
    return Contest(x, y, runs[0].engine, scores)


def winner(scores: Mapping[str, Interval]) -> str | None:
    """Return whose whole interval lies below all others'; None if there is nobody, or no interval.

    Intervals that touch do not separate. One replication has no interval, and decides nothing.
    """
    best = min(scores, key=lambda name: _order(scores[name]), default=None)
    if best is None or len(scores) < 2:
        return None
    rivals = [scores[name].low for name in scores if name != best]
    return best if all(scores[best].high < low for low in rivals) else None


def _order(score: Interval) -> float:
    return math.inf if math.isnan(score.mean) else score.mean


def decision(
    contests: Sequence[Contest],
    x: str = "messages created (per second)",
    y: str = "poll interval (ms)",
    what: str = "median latency",
) -> Figure:
    """Draw a map for each engine: squares in the colour, hatch and letter of their winner.

    Squares are evenly spaced, whatever the distance of their values. `x` and `y` are labels with
    units, `what` is the score that decides. Where intervals do not separate, a square stays white:
    "no measurable difference". Under each letter stands by what factor the winner is ahead of the
    next. Where there is no contest, nothing is drawn.
    """
    engines = [e for e in ENGINES if any(c.engine == e for c in contests)]
    columns = sorted({c.x for c in contests})
    rows = sorted({c.y for c in contests})
    names = list(dict.fromkeys(name for c in contests for name in c.scores))
    figure, grid = style.panels(max(1, len(engines)), 2, PANEL, share=True)
    for engine, axes in zip(engines, grid, strict=False):
        for one in contests:
            if one.engine == engine:
                _square(axes, one, (columns.index(one.x), rows.index(one.y)), names)
        _axes(axes, columns, rows, ENGINES[engine])
        axes.set_xlabel(x, fontsize=style.LABEL)
    if not engines:
        style.say_empty(grid[0])
    grid[0].set_ylabel(y, fontsize=style.LABEL)
    style.headline(figure, f"Who has the lowest {what}, and where can nobody tell?")
    holes = len(contests) < len(engines) * len(columns) * len(rows)
    style.legend(figure, _legend(names, holes), "outside lower center", columns=4)
    return figure


def look(index: int) -> dict[str, Any]:
    """Return face and hatch of the contender of that number."""
    return {
        "facecolor": (*to_rgb(style.COLOURS[index % len(style.COLOURS)]), 0.55),
        "hatch": HATCHES[index % len(HATCHES)],
    }


def _square(axes: Axes, one: Contest, place: tuple[int, int], names: Sequence[str]) -> None:
    best = winner(one.scores)
    kind = look(names.index(best)) if best else {"facecolor": "white", "hatch": ""}
    left, low = place[0] - 0.5, place[1] - 0.5
    axes.add_patch(Rectangle((left, low), 1, 1, edgecolor=style.GREY, linewidth=0.8, **kind))
    text = UNDECIDED
    if best:
        others = [score.mean for name, score in one.scores.items() if name != best]
        text = LETTERS[names.index(best)] + _ahead(one.scores[best].mean, min(others))
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    axes.text(*place, text, ha="center", va="center", fontsize=style.TICK, bbox=box)


def _ahead(best: float, next_best: float) -> str:
    """Say by what factor the winner is ahead, where that means something."""
    ahead = next_best / best if best > 0 else math.nan
    return "" if math.isnan(ahead) else f"\n×{number(ahead, most=2 if ahead < CLOSE else 1)}"


def _axes(axes: Axes, columns: Sequence[float], rows: Sequence[float], engine: str) -> None:
    style.dress(axes)
    axes.grid(False)
    axes.set_title(engine, fontsize=style.LABEL, loc="left")
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.set_xticks(range(len(columns)), [number(value) for value in columns])
    axes.set_yticks(range(len(rows)), [number(value) for value in rows])


def _legend(names: Sequence[str], holes: bool) -> list[Patch]:
    handles = [
        Patch(edgecolor=style.GREY, label=f"{LETTERS[i]}: {wrap(name)}", **look(i))
        for i, name in enumerate(names)
    ]
    nobody = Patch(facecolor="white", edgecolor=style.GREY, label=f"{UNDECIDED}: {NOBODY}")
    blank = Patch(facecolor="none", edgecolor="none", label="blank: not run")
    return [*handles, nobody, *([blank] if holes else [])]
