"""The figures of sweeps and of idleness: units, engines told apart, and winners only where sure."""

import math
import re

import numpy as np
import pytest
from builders import trace
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lab import (
    IDEAL,
    LongPoll,
    Periodic,
    Scenario,
    ShortPoll,
    WebSocketPush,
    Workload,
    plots,
    simulate,
)
from lab.idle import IdleCost
from lab.metrics import Interval, Run
from lab.plots.batch_size import batch_of
from lab.plots.decision import NOBODY, UNDECIDED, winner
from lab.plots.lag import queue
from lab.plots.load import levels_of, rate_of
from lab.strategies import Strategy

UNIT = re.compile(r"\((µs|ms|s|kB|messages|per second|(messages|bytes|ms) per second)\)$")
ENGINES = ("simulation", "loopback")


def around(mean: float, half: float = 0.1) -> Interval:
    return Interval(mean, mean - half, mean + half)


def made_by(strategy: Strategy, engine: str = "simulation", **workload: object) -> Run:
    """Return a run whose traces, though simulated, say that they are of `engine`."""
    changes = {"arrivals": Periodic(rate=100), "duration": 0.5, **workload}
    scenario = Scenario(workload=Workload(**changes), strategies=[strategy])
    traces = [simulate(scenario, strategy, IDEAL, k) for k in range(2)]
    for one in traces:
        one.manifest["engine"] = engine
    return Run(strategy.label, engine, traces)


def batches() -> list[plots.Batch | Run]:
    sizes = [plots.Batch("A", e, n, around(n)) for e in ENGINES for n in (1, 10)]
    return [*sizes, *(made_by(WebSocketPush(batch_size=3, linger=0.1), e) for e in ENGINES)]


def contests() -> list[plots.Contest]:
    """Return squares: A wins at 1, intervals overlap at 2, B wins at 3."""
    scores = {1.0: (1.0, 2.0), 2.0: (1.0, 1.15), 3.0: (4.0, 2.0)}
    return [
        plots.Contest(x, 5.0, engine, {"A": around(a), "B": around(b)})
        for engine in ENGINES
        for x, (a, b) in scores.items()
    ]


def idle_costs() -> list[IdleCost]:
    return [
        IdleCost(s, e, 1, 1, around(0.2), around(3), around(0), around(50), memory)
        for s in ("WebSocketPush", "LongPoll")
        for e, memory in zip(ENGINES, (Interval(), around(40_000)), strict=True)
    ]


def all_figures() -> dict[str, Figure]:
    rates = [
        made_by(WebSocketPush(), e, arrivals=Periodic(rate=r), work=0.001)
        for e in ENGINES
        for r in (50, 100, 200)
    ]
    return {
        "load": plots.load(rates),
        "batch_size": plots.batch_size(batches()),
        "idle": plots.idle(idle_costs()),
        "decision": plots.decision(contests()),
        "lag": plots.lag(rates[2:4]),
    }


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_every_label_has_a_unit_every_figure_a_question_and_both_engines_a_name():
    for name, figure in all_figures().items():
        axes = [a for a in figure.axes if a.get_visible()]
        shared = [figure.get_supxlabel(), figure.get_supylabel()]
        labels = [*shared, *(t for a in axes for t in (a.get_xlabel(), a.get_ylabel()))]
        assert len([text for text in labels if text]) >= 2, name
        assert all(UNIT.search(t) or t == "messages" for t in labels if t), (name, labels)
        titles = [a.get_title(loc="left") for a in axes]
        assert any(t.endswith("?") for t in (figure.get_suptitle(), *titles)), name
        said = " ".join([*titles, *texts_of(figure)])
        assert "simulated" in said and "measured" in said, (name, said)


@pytest.mark.parametrize(
    "draw", [plots.load, plots.batch_size, plots.idle, plots.decision, plots.lag]
)
def test_figures_of_nothing_are_empty_and_not_errors(draw):
    assert isinstance(draw([]), Figure)


def test_a_figure_shows_itself_in_a_notebook():
    assert plots.decision(contests())._repr_png_().startswith(b"\x89PNG")


def test_only_an_interval_that_lies_below_all_others_wins():
    assert winner({"A": around(1), "B": around(2), "C": around(3)}) == "A"
    assert winner({"A": around(1), "B": around(1.15), "C": around(3)}) is None
    assert winner({"A": around(1), "B": Interval(1.2, 1.1, 1.3)}) is None  # they touch
    assert winner({"A": Interval(1), "B": Interval(2)}) is None  # one replication has no interval
    assert winner({"A": around(1), "B": Interval(2)}) is None
    assert winner({"A": Interval(), "B": around(2)}) is None  # unknown is not beaten
    assert winner({"A": around(1)}) is None
    assert winner({}) is None


def test_squares_are_coloured_hatched_and_lettered_only_where_somebody_wins():
    figure = plots.decision(contests())
    for axes in figure.axes:
        squares = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert [text.get_text() for text in axes.texts] == ["A\n×2", UNDECIDED, "B\n×2"]
        looks = [(square.get_facecolor(), square.get_hatch()) for square in squares]
        assert len(set(looks)) == 3
        assert looks[1] == (to_rgba("white"), "")
        assert looks[0][1] != looks[2][1]  # in black and white the hatch tells
    assert f"{UNDECIDED}: {NOBODY}" in texts_of(figure)


def test_a_contest_is_made_of_runs_and_a_metric():
    runs = [
        Run(s, "simulation", [trace([0, 1], t) for t in (s_, 1.1 * s_)])
        for s, s_ in (("A(x=1)", 1.0), ("B", 9.0))
    ]
    found = plots.contest(1, 2, runs, lambda m: m.latency["p50"], lambda label: label[0])
    assert found.scores["A"].mean == pytest.approx(0.2)  # of the mean of 1 and 9
    assert found.scores["A"].half_width == pytest.approx(0)  # both are slower the second time
    assert winner(found.scores) == "A"


def test_load_takes_the_rate_of_the_scenario_and_intervals_over_replications():
    run = made_by(WebSocketPush(), work=0.004)
    assert [(s.quantile, s.rate) for s in levels_of(run)] == [("p50", 100), ("p99", 100)]
    assert next(levels_of(run)).latency.mean == pytest.approx(0.004)
    fast = made_by(WebSocketPush(), "loopback")
    fast.traces[0].manifest["scenario"]["speed_up"] = 10.0
    assert rate_of(fast.traces) == 1000
    plain = [trace(np.arange(1, 201) / 50)]
    assert rate_of(plain) == pytest.approx(50)


def test_load_draws_simulated_lines_measured_marks_and_dotted_theory():
    names = [
        made_by(WebSocketPush(), e, arrivals=Periodic(rate=r)) for e in ENGINES for r in (50, 90)
    ]
    theory = [
        plots.Level("WebSocketPush", "theory", q, r, Interval(r))
        for q in ("p50", "mean")
        for r in (50.0, 90.0)
    ]
    [axes] = plots.load([*names, *theory]).axes
    lines = [line for line in axes.lines if list(line.get_xdata()) == [50, 90]]
    assert [line.get_linestyle() for line in lines] == ["-", ":", "-", ":"]
    marks = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    assert len(marks) == 4
    assert {line.get_markeredgecolor() for line in marks} == {"#000000"}


@pytest.mark.parametrize(
    ("strategy", "size", "name"),
    [
        (WebSocketPush(batch_size=3, linger=0.1), 3, "WebSocketPush(linger=0.1)"),
        (WebSocketPush(), 1, "WebSocketPush"),
        (LongPoll(min_records=5), 5, "LongPoll"),
        (ShortPoll(max_records=7, interval=0.2), 7, "ShortPoll(interval=0.2)"),
        (ShortPoll(), 10_000, "ShortPoll"),
    ],
)
def test_the_batch_size_is_that_of_the_strategy(strategy: Strategy, size: int, name: str):
    batch = batch_of(made_by(strategy))
    assert (batch.size, batch.strategy) == (size, name)
    assert batch.throughput.mean > 0


def test_measured_batches_are_hollow_on_a_dashed_line():
    figure = plots.batch_size([b for b in batches() if isinstance(b, plots.Batch)])
    [axes] = figure.axes
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_linestyle() for line in lines] == ["-", "--"]
    assert [line.get_markerfacecolor() == "white" for line in lines] == [False, True]


def test_idle_costs_are_bars_and_what_is_unknown_is_a_dash():
    *_, memory = plots.idle(idle_costs()).axes
    assert [bar.get_width() for bar in memory.patches] == [40, 40]  # kB
    assert [text.get_text() for text in memory.texts].count(" –") == 2
    cpu = plots.idle(idle_costs()).axes[0]
    assert {bar.get_hatch() for bar in cpu.patches} == {"", "//"}
    assert cpu.patches[0].get_width() == 200  # ms


def test_the_queue_is_what_is_received_and_not_started():
    whole = trace([0.0, 1.0], received=[0.1, 1.1], started=[0.4, math.nan])
    times, waiting = queue(whole)
    assert times == pytest.approx([0.1, 0.4, 1.1])
    assert list(waiting) == [1, 0, 1]


def test_lag_has_a_line_for_each_consumer():
    run = made_by(LongPoll(), consumers=2)
    [axes] = [a for a in plots.lag([run]).axes if a.get_visible()]
    assert len(axes.lines) == 2


def test_the_highest_lag_is_seen_in_whichever_panel_it_is():
    low, high = made_by(LongPoll()), made_by(ShortPoll(interval=0.5))
    figure = plots.lag([low, high])
    tops = [max(line.get_ydata().max() for line in axes.lines) for axes in figure.axes[:2]]
    assert tops[0] < tops[1] <= figure.axes[1].get_ylim()[1]


def test_shaded_faults_have_an_entry_in_the_legend():
    run = made_by(LongPoll())
    assert "fault" not in texts_of(plots.lag([run]))
    run.traces[0].manifest["scenario"]["faults"] = [{"at": 0.1, "duration": 0.2}]
    for figure in (plots.lag([run]), plots.offsets(run.traces[:1])):
        assert "fault" in texts_of(figure)
        assert len(figure.axes[0].patches) == 1
