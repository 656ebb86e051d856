"""Bugs planted into the roles: the delivery checker finds each within 1,000 generated schedules."""

import pytest

from lab.course.bugs import BUGS, Bug, planted
from lab.trials.torture import Schedule, judge, simulated

SCHEDULES = 1000


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    with planted(bug):
        for seed in range(SCHEDULES):
            what, _, _ = judge(Schedule(seed), simulated)
            if what:
                print(f"{bug.name}: schedule {seed + 1}: {what}")
                return
    pytest.fail(f"{bug.name}: not found in {SCHEDULES} schedules")
