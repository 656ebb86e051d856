"""The ledger of claims: benches, verdicts of two engines, how it is shown, the command, the README."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from builders import trace, undelivered
from commands import Shell, run
from matplotlib.figure import Figure

from lab.claims import CLAIMS, bench, show
from lab.claims.base import Amount, Claim, Finding, Verdict
from lab.claims.ledger import Entry, Ledger, ledger
from lab.engines.common import MeasurementError
from lab.metrics import Interval
from lab.physics import reference
from lab.scenario import Scenario
from lab.strategies import LongPoll, Strategy, WebSocketPush
from lab.trace import Trace
from lab.workload import Poisson, Workload

README = Path(__file__).parent.parent / "README.md"


def entry(simulated: Verdict | None, measured: Verdict | None) -> Entry:
    """Return an entry with those verdicts; None is an engine that was not asked."""
    verdicts = {"simulation": simulated, "loopback": measured}
    found = {e: Finding(v, "so it is", AMOUNTS) for e, v in verdicts.items() if v}
    return Entry(CLAIM, found)


AMOUNTS = (
    Amount("a time", Interval(0.0012, 0.001, 0.0014), "s"),
    Amount("a ratio | of two", Interval(2)),
    Amount("unknown", Interval()),
    Amount("a fourth", Interval(4, 4, 4)),
)


def asks(some: Any) -> Finding:
    """Test a claim on a bench: messages take some time."""
    runs = some.run(SCENARIO)
    took = min(run.traces[0].latency.min() for run in runs.values())
    return Finding("supported" if took > 0 else "refuted", "messages take time")


CLAIM = Claim(
    99, "sure", "A claim of a test.", "no chapter", "none", "any", asks, lambda _: Figure()
)
SCENARIO = Scenario(
    workload=Workload(arrivals=Poisson(rate=50), duration=0.5),
    strategies=[WebSocketPush(), LongPoll()],
)


@pytest.mark.parametrize(
    ("simulated", "measured", "both"),
    [
        ("supported", "supported", "supported"),
        ("depends", "depends", "depends"),
        ("supported", "refuted", "engines disagree"),
        ("supported", "depends", "engines disagree"),
        ("not measurable here", "refuted", "refuted"),
        ("supported", "not measurable here", "supported"),
        ("not measurable here", "not measurable here", "not measurable here"),
        ("supported", None, "supported"),
    ],
)
def test_verdicts_of_two_engines(simulated: Verdict, measured: Verdict, both: str) -> None:
    found = entry(simulated, measured)
    assert found.verdict == both
    (line,) = [text for text in show.markdown(Ledger([found])) if "99" in text]
    assert f"**{both}**" in line
    if simulated != measured and measured:
        assert f"simulated: {simulated}; measured: {measured}" in line


def test_json_of_an_entry() -> None:
    found = entry("supported", None).to_json()
    assert list(found)[:5] == ["number", "claim", "verdict", "simulation", "loopback"]
    assert found["loopback"] is None
    assert found["simulation"]["amounts"][0] == {
        "name": "a time",
        "unit": "s",
        "mean": 0.0012,
        "low": 0.001,
        "high": 0.0014,
    }
    assert found["simulation"]["amounts"][2]["mean"] is None
    json.dumps(found, allow_nan=False)


def test_amounts_are_shown_with_intervals_and_units() -> None:
    assert show.amount_text(*AMOUNTS[0][1:]) == "1.2 ms (1 to 1.4)"
    assert show.amount_text(Interval(2), "B") == "2 B"
    assert show.amount_text(Interval(4, 4, 4), "") == "4"
    assert show.amount_text(Interval(), "s") == "–"


def test_a_short_ledger_shows_what_decides_and_the_page_everything(tmp_path: Path) -> None:
    short = "\n".join(show.markdown(Ledger([entry("supported", "supported")])))
    assert "a time: 1.2 ms (1 to 1.4) / 1.2 ms (1 to 1.4)<br>a ratio \\| of two: 2 / 2" in short
    assert "a fourth" not in short
    saved = show.save(Ledger([entry("supported", "refuted")], violations=["bad"]), tmp_path)
    page = (tmp_path / "ledger.md").read_text(encoding="utf-8")
    assert saved.entries[0].figure == "sure.png"
    assert (tmp_path / "sure.png").stat().st_size > 0
    for text in ("a fourth", "engines disagree", "![A claim of a test.](sure.png)", "Broken: bad"):
        assert text in page


def test_amounts_stand_in_the_order_of_an_engine_that_can_tell() -> None:
    price, made = Amount("price", Interval(1)), Amount("made", Interval(2))
    cannot = Finding("not measurable here", "it is told", [price])
    can = Finding("refuted", "it is counted", [made, price])
    found = Entry(CLAIM, {"simulation": cannot, "loopback": can})
    assert list(show.rows(found)) == [("made", ["–", "2"]), ("price", ["1", "1"])]


class Engine:
    """Runs nothing, counts what it is asked for, and returns traces in which messages are lost."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, scenario: Scenario, strategy: Strategy, replication: int) -> Trace:
        self.asked.append((strategy.label, replication))
        broken = trace([0.1, 0.2], manifest={"messages": 3, "consumers": 1})
        return undelivered(broken, 0)


def test_a_bench_runs_everything_once_and_tells_what_is_broken() -> None:
    engine = Engine()
    some = bench.Memory("simulation", engine)
    found = some.run(SCENARIO)
    assert {label: len(r.traces) for label, r in found.items()} == {
        "WebSocketPush": 5,
        "LongPoll": 5,
    }
    assert sorted(engine.asked) == sorted((w, r) for w in found for r in range(5))
    assert len(some.violations) == 10
    assert "WebSocketPush, simulation, replication" in " ".join(some.violations)
    again = some.run(SCENARIO.model_copy(update={"strategies": [LongPoll()], "name": "other"}))
    assert again["LongPoll"] is found["LongPoll"]
    assert len(engine.asked) == 10
    some.run(SCENARIO.model_copy(update={"replications": 4, "strategies": [LongPoll()]}))
    assert len(engine.asked) == 14


def test_a_run_that_fails_is_done_again_once() -> None:
    engine = Engine()
    fails = [True, False, True, True]

    def run_one(*asked: Any) -> Trace:
        if fails and fails.pop(0):
            raise MeasurementError("gone")
        return engine(*asked)

    some = bench.Memory("loopback", run_one)
    alone = SCENARIO.model_copy(update={"strategies": [LongPoll()], "replications": 1})
    assert len(some.run(alone)["LongPoll"].traces) == 1
    assert some.failures == ["LongPoll: gone"]
    with pytest.raises(MeasurementError):
        some.run(alone.model_copy(update={"drain": 5.0}))


def test_a_quick_bench_makes_runs_short() -> None:
    found = bench.simulation(reference().physics, quick=True).run(SCENARIO)
    assert len(found["LongPoll"].traces) == 3


def test_the_simulated_bench_runs_all_on_the_same_messages() -> None:
    some = bench.simulation(reference().physics)
    one, other = some.run(SCENARIO).values()
    for a, b in zip(one.traces, other.traces, strict=True):
        assert (a.created == b.created).all()
    assert not some.violations


def test_a_measurement_that_fails_is_told_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(some: Any) -> Finding:
        raise MeasurementError("broker: it is gone")

    failing = Claim(98, "unsure", "A claim.", "", "", "", fails, lambda _: Figure())
    done = ledger([failing, CLAIM], ["simulation"], reference())
    assert [e.verdict for e in done.entries] == ["not measurable here", "supported"]
    assert "it is gone" in done.entries[0].findings["simulation"].reason


def test_the_command(tmp_path: Path) -> None:
    done = run("claims", "9", "4", "--engine", "simulation", "--quick", "--json", cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    data = json.loads(done.out)
    assert list(data) == ["claims"]
    assert [claim["number"] for claim in data["claims"]] == [4, 9]
    for claim in data["claims"]:
        assert claim["loopback"] is None
        assert claim["verdict"] == claim["simulation"]["verdict"]
        assert (tmp_path / "results" / "claims" / claim["figure"]).stat().st_size < 150_000
    assert (tmp_path / "results" / "claims" / "ledger.md").exists()


def test_the_printed_ledger(shell: Shell) -> None:
    done = shell("claims", "9", "--engine", "simulation", "--quick")
    assert done.status == 0
    assert "9. The target of an HTTP push can protect itself" in done.out
    assert re.search(r"most taken in within .* \d", done.out)
    assert "results/claims/rate_limit.png" in done.out


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["0"], "claim 0: there is none; need 1 to"),
        (["99"], "claim 99: there is none"),
        (["x"], "whole number"),
        (["1", "--engine", "pigeon"], "need one of simulation, loopback"),
    ],
)
def test_wrong_input_is_one_line(wrong: list[str], told: str, shell: Shell) -> None:
    done = shell("claims", *wrong)
    assert done.status == 2
    assert told in done.err
    assert len(done.err.splitlines()) == 1


def test_help(shell: Shell) -> None:
    done = shell("claims", "--help")
    assert done.status == 0
    for option in ("--engine", "--quick", "--json", "--out", "--markdown"):
        assert option in done.out


def test_a_broken_promise_is_exit_status_1(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "simulate", lambda s, w, costs, r: Engine()(s, w, r))
    monkeypatch.setattr("lab.cli.claims.CLAIMS", (CLAIM,))
    done = shell("claims", "--engine", "simulation", "--json")
    assert done.status == 1
    assert "Broken: WebSocketPush" in done.err
    assert not math.isnan(json.loads(done.out)["claims"][0]["number"])


def test_the_readme_has_the_ledger() -> None:
    """If this fails, run `python benchmarks/claims_ledger.py`."""
    section = README.read_text(encoding="utf-8").partition("## Claims, tested")[2]
    rows = re.findall(
        r"^\| (\d+) \| \[(.+?)\]\((\S+)\) \| \*\*([a-z ]+)\*\*", section, re.MULTILINE
    )
    assert [(int(number), text) for number, text, _, _ in rows] == [
        (claim.number, claim.text) for claim in CLAIMS
    ]
    assert [claim.number for claim in CLAIMS] == list(range(1, 19))
    for _, _, figure, verdict in rows:
        assert (README.parent / figure).stat().st_size < 150_000
        assert verdict in (
            "supported",
            "refuted",
            "depends",
            "not measurable here",
            "engines disagree",
        )
