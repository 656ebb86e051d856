"""What people see of a validation: tables that hide nothing, and figures that show every row."""

import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from builders import trace
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from observations import PUSH, observation, point, row
from rich.console import Console

from lab import LongPoll, ShortPoll, Webhook
from lab.plots.load import load
from lab.validation.agreement import agreement
from lab.validation.document import Findings, find
from lab.validation.figures import by_load, by_misfit, figures, levels
from lab.validation.grids import grids, percent, signed
from lab.validation.misfit import misfit
from lab.validation.observed import Observation
from lab.validation.rows import PROMISED, Row
from lab.validation.show import markdown, terminal
from lab.validation.summary import summarise

UNIT = re.compile(r"\((µs|ms|s|%|per second)\)$")


def plan() -> list[Observation]:
    """Return points of four strategies; the prediction at 300/s is twice what is measured."""
    fitted = [observation(point(PUSH, r, fitted=True), [0.003, 0.004]) for r in (50, 500)]
    poll = point(ShortPoll(interval=0.2), 200, "200/s | 8 kB", unseen=True)
    return [
        *fitted,
        observation(point(PUSH, 300), [0.004, 0.0041, 0.0042], 0.008, [0.007, 0.009]),
        observation(point(Webhook(), 100), [0.004, 0.005], 0.0043),
        observation(poll, [0.1, 0.11], 0.1),
        observation(point(LongPoll(), 900), [0.004, 0.005], 0.004, source=1.0, target=0.9),
    ]


def findings() -> Findings:
    return find(plan(), {"machine": {"cores": 2}, "date": "2026-01-02"})


def printed(width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal(findings(), width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [100, 140])
def test_the_terminal_shows_every_row_and_cuts_nothing_off(width: int):
    text = printed(width)
    assert "…" not in text
    assert "\x1b" not in text  # not a terminal: no colours
    assert max(map(len, text.splitlines())) <= width
    for heading in ("Goals", "Worst rows", "Held-out points", "No promise", "own runs"):
        assert heading in text, heading
    assert text.startswith("machine: cores 2\ndate: 2026-01-02")
    assert text.count("+95 %") >= 3  # 8 ms instead of 4.1, at every quantile


def tables(text: str) -> dict[str, list[list[str]]]:
    """Return the cells of each table of a Markdown page by its title."""
    found = {}
    for section in text.split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
        assert len({len(line) for line in cells}) == 1, section
        found[section.splitlines()[0]] = [[c.strip() for c in line] for line in cells[2:]]
    return found


def test_markdown_has_every_row_once_and_the_worst_first():
    found = tables(markdown(findings()))
    held_out = found["Held-out points: latency in ms"]
    assert len(held_out) == 3 * len(PROMISED)
    assert [line[0] for line in held_out[:3]] == ["WebSocketPush, 300/s"] * 3
    assert len(found["No promise: latency in ms"]) == 3 + 4  # p99.9, and the busy point
    assert len(found["Calibration's own runs: latency in ms"]) == 2 * 4
    assert found["Worst rows"][0][2:4] == ["+95 %", "NO"]
    assert found["Worst rows"][0][4].endswith(": predicted 1.33 ms, measured 0.683 ms")
    assert len(found["Throughput and costs: predicted / measured"]) == 6
    assert any(r"200/s \| 8 kB" in line[0] for line in held_out)


def test_a_cell_says_what_was_measured_and_predicted():
    [first, *_] = tables(markdown(findings()))["Held-out points: latency in ms"]
    assert first[2] == "20 %"  # source and target: 0.4 s of 2
    assert re.fullmatch(r"4\.1 \(3\.\d+–4\.\d+\)", first[3])
    assert first[4].startswith("8 (7.05–8.95")
    assert first[-1] != "–"  # interpolated between 50/s and 500/s


def test_pairs_are_predicted_over_measured_and_baseline_beside_model():
    at = observation(point(Webhook(), 100), [0.004], 0.004)
    cheaper = observation(point(Webhook(), 100), [0.004], 0.004, source=0.1)
    found = tables(markdown(find([replace(at, predicted=cheaper.predicted)], {})))
    [cost] = found["Throughput and costs: predicted / measured"]
    assert cost[2] == "1,000 / 6,000 (−83 %); source 1,000 / 1,000 (0.0 %); " + (
        "broker – / 2,000 (–); target – / 3,000 (–)"
    )
    assert cost[4] == "all"
    groups = summarise([row(0.1, baselines={"tandem": -0.5})])
    rivals = grids(Findings([], [], groups, [], {}))[0].cells[0][-2:]
    assert rivals == ["50 % / 10 % (1)", "–"]


def test_percentages_have_two_digits_and_a_sign():
    values = (0.0734, -0.28, 0.0997, 1.5, 0.0, -0.0001, math.nan)
    expected = ["+7.3 %", "−28 %", "+10 %", "+150 %", "0.0 %", "0.0 %", "–"]
    assert [signed(value) for value in values] == expected
    assert percent(0.9) == "90 %"


def rows() -> list[Row]:
    return findings().rows


def marks(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if line.get_marker() not in ("None", "", None)]


def test_every_label_has_a_unit_and_every_figure_a_title():
    drawn = dict(figures(plan(), rows()))
    assert list(drawn) == ["agreement", "misfit", "ecdf", "anatomy", "load_WebSocketPush"]
    for name, figure in drawn.items():
        axes = [a for a in figure.axes if a.get_visible()]
        labels = [text for a in axes for text in (a.get_xlabel(), a.get_ylabel()) if text]
        assert len(labels) >= 2, name
        assert all(UNIT.search(label) for label in labels), (name, labels)
        titles = [figure.get_suptitle(), *(a.get_title(loc="left") for a in axes)]
        assert any("?" in title for title in titles), name


def test_agreement_has_a_mark_for_each_row_hollow_if_calibrated():
    for axes, quantile in zip(agreement(rows()).axes, PROMISED, strict=True):
        some = [r for r in rows() if r.quantile == quantile]
        drawn = {
            (round(m.get_xdata()[0], 6), round(m.get_ydata()[0], 6)): m.get_markerfacecolor()
            for m in marks(axes)
        }
        expected = {
            (round(1e3 * r.measured, 6), round(1e3 * r.predicted, 6)): r.place.held_out
            for r in some
        }
        assert drawn.keys() == expected.keys()
        assert all((drawn[at] != "white") == held_out for at, held_out in expected.items())


def test_misfit_has_signed_errors_in_per_cent_over_utilisation():
    some = [row(0.1), row(-0.2, utilisation=0.7), row(0.3, overloaded=True), row(0.4, "p99")]
    first, _, third = misfit(some).axes
    drawn = sorted((round(m.get_xdata()[0]), round(m.get_ydata()[0])) for m in marks(first))
    assert drawn == [(30, 10), (30, 30), (70, -20)]
    assert [m.get_marker() for m in marks(first)].count("x") == 1
    assert [round(m.get_ydata()[0]) for m in marks(third)] == [40]
    assert first.get_yscale() == "linear"
    assert misfit([row(3.0)]).axes[0].get_yscale() == "symlog"


def test_load_has_a_line_of_the_model_marks_of_what_was_measured_and_theory():
    theory = [(100.0, 0.3), (50.0, 0.2)]
    some = [row(0.1, rate=r, quantile=q) for r in (300.0, 100.0) for q in ("p50", "p99", "p90")]
    [axes] = load([*levels(some)], {some[0].place.strategy: theory}).axes
    assert len(marks(axes)) == 4
    solid, dotted = (
        [line for line in axes.lines if line.get_linestyle() == style and len(line.get_xdata()) > 1]
        for style in ("-", ":")
    )
    predicted = [line for line in solid if line.get_xdata()[0] != line.get_xdata()[1]]
    assert [list(line.get_xdata()) for line in predicted] == [[100, 300]] * 2
    assert [list(line.get_ydata()) for line in predicted] == [pytest.approx([1100, 1100])] * 2
    assert [list(line.get_ydata()) for line in dotted] == [[200, 300]]
    assert [line.get_ydata()[0] for line in marks(axes)] == [1000] * 4
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_the_figure_over_load_takes_the_family_with_most_rates():
    some = [row(rate=r, family="a") for r in (1.0, 2.0)]
    some += [row(rate=r, family="b") for r in (1.0, 2.0, 3.0)]
    some += [row(rate=r, family="c", strategy="Webhook") for r in (1.0, 2.0)]
    some += [row(rate=9.0, family="c", strategy="Webhook", overloaded=True)]
    found = by_load(some)
    assert list(found) == ["WebSocketPush"]
    assert [r.place.family for r in found["WebSocketPush"]] == ["b"] * 3


def test_the_worst_points_come_first_in_the_anatomy():
    observations = plan()
    ranked = by_misfit(observations, rows())
    assert ranked[0] is observations[2]
    assert {id(o) for o in ranked} == {id(o) for o in observations[2:5]}  # not the busy one


def test_figures_of_nothing_are_empty_and_not_errors():
    silent = observation(point(), [], math.nan)
    lost = Observation(point(), [0], [trace()], [trace(np.arange(3.0))], [])
    for observations in ([], [silent], [silent, lost]):
        found = find(observations, {})
        assert isinstance(markdown(found), str)
        drawn = list(figures(observations, found.rows))
        assert all(isinstance(figure, Figure) for _, figure in drawn)
    for _, figure in drawn:
        figure.savefig(io.BytesIO(), format="png", dpi=20)
    assert isinstance(load([]), Figure)
