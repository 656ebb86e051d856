"""Every scenario that comes with the lab is whole: a page with a question, and a quick mode."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from lab import library
from lab.engines.simulation import simulate
from lab.outcomes import checks
from lab.physics import IDEAL, reference
from lab.scenario import Scenario, override
from lab.theory import FORMS

NAMES = library.names()
MOST_LINES = 60


def test_the_default_comes_first() -> None:
    assert NAMES[0] == library.DEFAULT
    wanted = {"price_feed", "poll_interval", "slow_consumer", "burst", "rare_updates", "batching"}
    wanted |= {"consumer_group"}
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_scenario_is_a_page_with_a_question(name: str) -> None:
    scenario = library.find(name)
    text = (library.folder() / f"{name}.py").read_text(encoding="utf-8")
    assert scenario.name == name
    assert "?" in scenario.question
    assert ast.get_docstring(ast.parse(text), clean=False) == scenario.question
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", NAMES)
def test_scenario_survives_being_written_down(name: str) -> None:
    scenario = library.find(name)
    again = Scenario.read(scenario.model_dump(mode="json", exclude_none=True), name)
    assert again == scenario
    assert override(scenario, [f"workload.seed={scenario.workload.seed}"]) == scenario


@pytest.mark.parametrize("name", NAMES)
def test_quick_mode_is_shorter_and_otherwise_the_same(name: str) -> None:
    whole = library.find(name)
    quick = whole.quick()
    assert quick.workload.duration < whole.workload.duration
    assert quick.workload.warm_up < quick.workload.duration
    assert 1 <= quick.replications <= whole.replications
    assert quick.workload.arrivals == whole.workload.arrivals
    assert quick.strategies == whole.strategies
    assert quick.quick() == quick
    assert 0 < len(quick.workload.draw()) < 10_000


@pytest.mark.parametrize("name", NAMES)
def test_quick_simulation_is_clean(name: str) -> None:
    quick, costs = library.find(name).quick(), reference().physics
    for strategy in quick.strategies:
        for physics in (costs, IDEAL):
            trace = simulate(quick, strategy, physics)
            rows = 1 if strategy.shared else quick.workload.consumers
            assert len(trace) == len(quick.workload.draw()) * rows
            assert not checks.check(trace), strategy.label


def test_every_strategy_of_the_scenarios_is_known_to_theory() -> None:
    used = {type(s) for name in NAMES for s in library.find(name).strategies}
    assert used <= set(FORMS)


NAMELESS = """
from lab import Periodic, Scenario, ShortPoll, Workload, main

workload = Workload(arrivals=Periodic(rate=50), duration=0.2)
scenario = Scenario(workload=workload, strategies=[ShortPoll()], replications=1)
main(scenario)
"""


def alone(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script by itself."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_report_of_a_script_is_called_like_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NAMELESS, encoding="utf-8")
    assert alone("mine.py", "--engine", "simulation", cwd=tmp_path).returncode == 0
    assert (tmp_path / "results" / "mine" / "report.html").is_file()


def test_a_script_that_measures_on_import_is_told_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NAMELESS, encoding="utf-8")
    done = alone("mine.py", "--engine", "loopback", cwd=tmp_path)
    assert done.returncode == 1
    assert 'below `if __name__ == "__main__":`' in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_a_script_runs_by_itself(tmp_path: Path) -> None:
    script = library.folder() / "rare_updates.py"
    arguments = ["--quick", "--engine", "theory", "--engine", "simulation", "--out", "here"]
    run = subprocess.run(
        [sys.executable, script, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "simulated" in run.stdout
    assert (tmp_path / "here" / "report.html").is_file()
    assert "Traceback" not in run.stderr
