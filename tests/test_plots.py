"""The figures: every axis has a unit, and each shows all that it was given."""

import math
import re
import sys

import numpy as np
import pytest
from builders import changed, trace, undelivered
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation, Text

from lab import plots
from lab.metrics import Interval, Result, Run, summarise_run
from lab.plots import style
from lab.plots.backlog import INTERVALS, depth
from lab.plots.ecdf import MOST_POINTS, tail
from lab.plots.sequence import BAR, BROKER, MESSAGES, TARGET
from lab.show import number, with_bounds, wrap
from lab.trace import Fate

STRATEGIES = ["WebSocketPush", "WebSocketPush(acks=True, credits=10, buffer=50)", "LongPoll"]
CREATED = np.arange(200) / 100
UNIT = re.compile(r"\((µs|ms|s|%|messages|per message)\)$")


def make_runs(count: int = 3) -> list[Run]:
    names = [*STRATEGIES, *(f"ShortPoll(interval={i})" for i in range(count))][:count]
    return [
        Run(name, engine, [trace(CREATED, 0.001 * (i + 1) * factor) for factor in (1, 1.2)])
        for i, name in enumerate(names)
        for engine in ("simulation", "loopback")
    ]


def make_results(count: int = 3) -> list[Result]:
    theory = Result(
        "LongPoll", "theory", latency={"p50": Interval(0.003)}, requests_per_message=Interval(0)
    )
    measured = [summarise_run(run) for run in make_runs(count)]
    return [*measured, theory]


def all_figures(count: int = 3) -> dict[str, Figure]:
    runs, results = make_runs(count), make_results(count)
    return {
        "anatomy": plots.anatomy(results),
        "backlog": plots.backlog(runs),
        "cost_plane": plots.cost_plane(results),
        "ecdf": plots.ecdf(runs),
        "sequence": plots.sequence(runs[:4]),
    }


def labels_of(figure: Figure) -> list[str]:
    shared = [figure.get_supxlabel(), figure.get_supylabel()]
    axes = [text for a in figure.axes for text in (a.get_xlabel(), a.get_ylabel())]
    return [text for text in (*shared, *axes) if text]


def data_lines(figure: Figure) -> list[Line2D]:
    return [line for axes in figure.axes for line in axes.lines if len(line.get_xdata()) > 2]


@pytest.mark.parametrize("count", [1, 3, 9])
def test_every_label_has_a_unit_and_every_figure_a_title(count: int):
    for name, figure in all_figures(count).items():
        labels = labels_of(figure)
        assert len(labels) >= 2 or name == "sequence", name
        assert all(UNIT.search(label) for label in labels), (name, labels)
        titles = [figure.get_suptitle(), *(axes.get_title(loc="left") for axes in figure.axes)]
        assert any(title.endswith(("?", ".", ")")) for title in titles), name


def test_figures_need_no_pyplot():
    assert "matplotlib.pyplot" not in sys.modules


def test_ecdf_has_a_curve_for_each_run_solid_if_simulated():
    figure = plots.ecdf(make_runs())
    lines = data_lines(figure)
    assert len(lines) == 6
    assert [line.get_linestyle() for line in lines] == ["-", "--"] * 3
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 3
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [*(wrap(name) for name in STRATEGIES), "simulated", "measured"]


def test_tail_is_the_share_that_takes_at_least_as_long():
    run = Run("x", "simulation", [trace([0.0, 1.0], [0.1, 0.2]), trace([0.0, 1.0], [0.3, 0.4])])
    seconds, percent, never = tail(run)
    assert seconds == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert percent == pytest.approx([100, 75, 50, 25])
    assert never == 0


def test_tail_stays_above_the_share_that_was_never_delivered():
    whole = undelivered(trace(CREATED, 0.01), *range(50))
    _, percent, never = tail(Run("x", "simulation", [whole]))
    assert never == 25
    assert percent[-1] == pytest.approx(25.5)
    nothing = Run("x", "simulation", [undelivered(whole, *range(200))])
    assert tail(nothing)[2] == 100
    assert len(data_lines(plots.ecdf([nothing]))) == 0  # only its level line, of two points


def test_tail_is_thinned_and_keeps_both_ends():
    latency = np.linspace(0.001, 1.0, 50_000)
    seconds, percent, _ = tail(Run("x", "simulation", [trace(np.arange(50_000.0), latency)]))
    assert len(seconds) <= MOST_POINTS
    assert (seconds[0], seconds[-1]) == pytest.approx((0.001, 1.0))
    assert (percent[0], percent[-1]) == pytest.approx((100, 0.002))


def test_anatomy_stacks_six_parts_for_each_result_that_has_them():
    figure = plots.anatomy(make_results())
    for axes in figure.axes:
        bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert len(bars) == 6 * len(style.PART_LOOKS)  # the theory has none
    widths = [bar.get_width() for bar in figure.axes[1].patches[: len(style.PART_LOOKS)]]
    assert sum(widths) == pytest.approx(100)
    widths = [bar.get_width() for bar in figure.axes[0].patches[: len(style.PART_LOOKS)]]
    assert sum(widths) == pytest.approx(1.1)  # ms: the mean of 1.0 and 1.2


def test_cost_plane_has_a_point_for_each_result_and_a_name_for_each_strategy():
    results = [*make_results(), Result("Unknown", "theory")]
    figure = plots.cost_plane(results)
    [axes] = figure.axes
    points = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert len(points) == 7
    names = [note.get_text() for note in axes.texts if isinstance(note, Annotation)]
    assert names == [wrap(name) for name in STRATEGIES]
    assert axes.get_yscale() == "symlog"  # there is a zero


def test_names_on_the_cost_plane_do_not_overlap():
    figure = plots.cost_plane(make_results(9))
    figure.canvas.draw()
    notes = [text for text in figure.axes[0].texts if isinstance(text, Annotation)]
    boxes = [Text.get_window_extent(note) for note in notes]
    assert len(boxes) == 9
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_depth_is_the_backlog_over_time():
    steady = depth(trace(np.arange(0, 100, 0.1), 0.5))  # ten a second for half a second each
    assert len(steady.mean) == INTERVALS
    assert steady.mean[5:-5] == pytest.approx(5, rel=0.2)
    assert steady.high.max() == 6 or steady.high.max() == 5


def test_depth_obeys_littles_law():
    created = np.sort(np.random.default_rng(1).uniform(0, 10, 500))
    latency = np.random.default_rng(2).exponential(0.2, 500)
    mine = depth(trace(created, latency))
    area = float(np.sum(mine.mean * np.diff(mine.edges)))
    assert area == pytest.approx(latency.sum())


def test_depth_counts_what_is_in_flight_and_not_what_was_dropped():
    created = [0.0, 1.0, 2.0, 3.0]
    waiting = undelivered(trace(created, 0.5), 1, fate=Fate.IN_FLIGHT)
    assert depth(waiting).mean[-1] == pytest.approx(2)
    dropped = undelivered(trace(created, 0.5), 1)
    assert depth(dropped).high.max() == 1
    assert len(depth(trace()).edges) == 0


def test_backlog_has_a_panel_for_each_strategy():
    figure = plots.backlog(make_runs(4))
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == 4
    assert all(len(axes.patches) == 4 for axes in shown)  # a line and a band for each engine


def test_sequence_draws_two_arrows_and_four_bars_for_each_message():
    brokered = trace(CREATED, 0.006)
    nothing = [math.nan] * len(CREATED)
    brokerless = trace(CREATED, 0.006, at_broker=nothing, left_broker=nothing)
    runs = [Run("A", "simulation", [brokered]), Run("B", "simulation", [brokerless])]
    first, second = plots.sequence(runs).axes[:2]
    assert len(first.texts) == 2 * MESSAGES
    assert len(first.patches) == 4 * MESSAGES
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["source", "broker", "target"]
    assert len(second.texts) == MESSAGES
    assert [tick.get_text() for tick in second.get_xticklabels()] == ["source", "target"]


def test_sequence_keeps_the_broker_that_the_first_messages_never_reached():
    whole = trace(CREATED, 0.006, at_broker=[math.nan] * 6 + list(CREATED[6:] + 0.003))
    [axes] = plots.sequence([Run("A", "simulation", [whole])]).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["source", "broker", "target"]


def test_sequence_marks_what_was_not_delivered():
    whole = undelivered(trace(CREATED, 0.006), 2)
    [axes] = plots.sequence([Run("A", "simulation", [whole])]).axes
    crosses = [line for line in axes.lines if line.get_marker() == "X"]
    assert [line.get_ydata()[0] for line in crosses] == pytest.approx([22])  # ms
    assert crosses[0].get_xdata()[0] == pytest.approx(BROKER + 2 * BAR)
    received = changed(whole, received={2: 0.023}, fate={2: Fate.DEAD_LETTERED})
    [axes] = plots.sequence([Run("A", "simulation", [received])]).axes
    [cross] = [line for line in axes.lines if line.get_marker() == "X"]
    assert cross.get_xdata()[0] == pytest.approx(TARGET + 2 * BAR)


def test_figures_of_nothing_are_empty_and_not_errors():
    empty = [Run("A", "simulation", [trace()]), Run("B", "loopback", [])]
    for draw in (plots.ecdf, plots.backlog, plots.sequence):
        assert isinstance(draw(empty), Figure)
        assert isinstance(draw([]), Figure)
    assert isinstance(plots.anatomy([summarise_run(run) for run in empty]), Figure)
    assert isinstance(plots.cost_plane([]), Figure)


def test_strategies_look_different_and_keep_their_look():
    names = [f"S{i}" for i in range(50)]
    looks = style.looks(names)
    assert len(set(looks.values())) == 50
    assert style.looks([*names, "S0"])["S0"] == looks["S0"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.000012345, "0.0000123"),
        (0.05, "0.05"),
        (2.304, "2.3"),
        (99.96, "100"),
        (12345.6, "12,346"),
        (math.nan, "–"),
    ],
)
def test_numbers_have_three_digits_and_no_exponent(value: float, text: str):
    assert number(value) == text


def test_numbers_too_small_for_their_decimals_are_not_zero():
    assert [number(x, most=4) for x in (0, 1e-44, 0.000475, 0.00012)] == [
        "0",
        "<0.0001",
        "0.0005",
        "0.0001",
    ]
    assert number(1e-44) == "<0.000000000001"


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (2.304, 0.2, "2.30 ±0.20"),
        (79.81, 0.04, "79.8 ±0.04"),
        (1265.4, 44.2, "1,265 ±44"),
        (4.5, math.nan, "4.50"),
        (math.nan, math.nan, "–"),
    ],
)
def test_bounds_are_as_exact_as_the_mean(value: float, half: float, text: str):
    assert with_bounds(value, half) == text


def test_units_suit_the_size():
    assert [style.unit_for(s).name for s in (0.00005, 0.5, 12.0)] == ["µs", "ms", "s"]
