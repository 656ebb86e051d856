"""The proof that one file is enough: a way of delivering of the reader's own, on both engines."""

import inspect
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from commands import run

from lab import Periodic, Scenario, Workload, compare
from lab.description import PositiveSeconds
from lab.messages import Message, Records
from lab.roles import Poller, Polling, PullBroker
from lab.scenario import override
from lab.strategies import FRESH, BrokerSetting, Exchange, Start, Strategy
from lab.trace import Fate
from lab.wire.formats import PullFormat


class PatientPoller(Poller):
    """Pauses twice as long after each empty answer, up to `longest`; after records, `interval`."""

    def __init__(self, index: int, interval: float, longest: float) -> None:
        super().__init__(index, Polling(interval=interval, max_records=1000))
        self.shortest, self.longest = interval, longest

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        if isinstance(message, Records):
            doubled = min(2 * self.how.interval, self.longest)
            pause = self.shortest if message.messages else doubled
            self.how = replace(self.how, interval=pause)
        return super().receive(message, now)


class AdaptivePoll(Strategy):
    """HTTP GET, more often while there is something, less often while there is not."""

    kind: Literal["AdaptivePoll"] = "AdaptivePoll"
    shortest: PositiveSeconds = 0.01
    longest: PositiveSeconds = 0.1

    @property
    def wire(self) -> Exchange:
        return Exchange(PullFormat(), server="broker")

    def broker(self, setting: BrokerSetting) -> PullBroker:
        return PullBroker(setting.consumers, setting.log())

    def consumer(self, index: int, start: Start = FRESH) -> PatientPoller:
        return PatientPoller(index, self.shortest, self.longest)


WORKLOAD = Workload(arrivals=Periodic(rate=100), duration=0.3, consumers=2)
SCENARIO = Scenario(workload=WORKLOAD, strategies=[AdaptivePoll(), AdaptivePoll(longest=0.05)])


def test_it_takes_few_lines() -> None:
    parts = [inspect.getsource(part) for part in (PatientPoller, AdaptivePoll)]
    assert sum(len(part.splitlines()) for part in parts) < 40


def test_both_engines_run_it_and_it_is_compared_like_any_other(tmp_path: Path) -> None:
    comparison = compare(override(SCENARIO, ["replications=1"]))
    assert not comparison.violations
    for run_ in comparison.runs:
        [trace] = run_.traces
        assert (trace.fate == Fate.DELIVERED).all()
        assert len(trace) == 60
        assert trace.manifest["strategy"] == run_.strategy
        assert trace.counters.requests > trace.counters.empty_replies
    rows = [(result.strategy, result.engine) for result in comparison.results]
    labels = ("AdaptivePoll", "AdaptivePoll(longest=0.05)")
    assert rows == [(s, e) for s in labels for e in ("simulation", "loopback")]
    comparison.save(tmp_path)
    assert "AdaptivePoll" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_its_knobs_are_turned_like_any_others() -> None:
    again = override(SCENARIO, ["strategy.AdaptivePoll.shortest=0.02", "workload.seed=3"])
    assert [s.label for s in again.strategies] == [
        "AdaptivePoll(shortest=0.02)",
        "AdaptivePoll(shortest=0.02, longest=0.05)",
    ]


HEAD = """
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from lab import Periodic, Scenario, Workload
from lab.description import PositiveSeconds
from lab.wire.formats import PullFormat
from lab.messages import Message, Records
from lab.roles import Poller, Polling, PullBroker
from lab.strategies import FRESH, BrokerSetting, Exchange, Start, Strategy

"""
TAIL = """
scenario = Scenario(
    workload=Workload(arrivals=Periodic(rate=100), duration=0.3), strategies=[AdaptivePoll()]
)
"""


def test_a_script_may_define_it_anywhere(tmp_path: Path) -> None:
    """The sides' processes import the class from the script, wherever that is."""
    (tmp_path / "deep").mkdir()
    parts = (inspect.getsource(part) for part in (PatientPoller, AdaptivePoll))
    script = HEAD + "\n\n".join(parts) + TAIL
    (tmp_path / "deep" / "my_own_polls.py").write_text(script, encoding="utf-8")
    arguments = ("--seed", "4", "--replications", "1", "--json")
    answer = run("measure", "deep/my_own_polls.py", *arguments, cwd=tmp_path)
    assert (answer.status, answer.err) == (0, "")
    [result] = json.loads(answer.out)["results"]
    assert result["fates"] == {"delivered": 30}
