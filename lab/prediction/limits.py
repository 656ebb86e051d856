"""Where the promise of a prediction ends, in plain sentences. No clock here: `now` is given."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from lab import machine
from lab.physics import Calibrated
from lab.prediction.forecast import Saturation
from lab.scenario import Scenario
from lab.show import number
from lab.workload import OnOff

MOST_UTILISATION = 0.85
FRESH = timedelta(hours=1)
BACKLOG = (
    "more messages come than can be delivered: the backlog grows, and latency depends on how long"
    " the run lasts"
)


def of_scenario(scenario: Scenario, costs: Calibrated, now: datetime) -> list[str]:
    """Return what limits the promise for every strategy, the gravest first."""
    return [
        *scenario.warnings(),
        *_of_calibration(costs, now),
        *_of_range(scenario, costs.manifest.get("runs")),
        *_of_setting(scenario),
        "p99.9 is made of rare stalls: it is reported without a promise",
    ]


def of_strategy(scenario: Scenario, saturation: Saturation) -> list[str]:
    """Return what limits the promise for one strategy: its load, if that is not said of all."""
    if scenario.warnings():
        return []
    if scenario.workload.arrivals.mean_rate > saturation.rate.value:
        return [BACKLOG]
    if saturation.utilisation.value > MOST_UTILISATION:
        return [f"above {MOST_UTILISATION:.0%} of what it can do, no two runs agree"]
    if _peak_rate(scenario) > saturation.rate.value:
        return ["bursts bring more messages than can be delivered: latency is that of a backlog"]
    return []


def _of_calibration(costs: Calibrated, now: datetime) -> Iterator[str]:
    manifest = costs.manifest
    if not manifest:
        yield "the costs were not measured: so it would be with them, on no machine in particular"
    else:
        yield from machine.differences(manifest)
        yield from _of_age(manifest.get("date"), now)
    if not costs.ensemble:
        yield (
            "the calibration does not say how sure it is: the intervals hold the noise of"
            " simulated runs only"
        )


def _of_age(date: Any, now: datetime) -> Iterator[str]:
    advice = "the machine drifts: measure again with `pushpull calibrate`"
    try:
        made = datetime.fromisoformat(date)
    except (TypeError, ValueError):
        yield f"it is not known when the calibration was made, and {advice}"
        return
    here = now if now.tzinfo else now.astimezone()
    age = here - (made if made.tzinfo else made.astimezone())
    if age > FRESH:
        yield f"the calibration is {_duration(age)} old, and {advice}"


def _duration(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    if hours < 2:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:,.0f} days"


def _of_setting(scenario: Scenario) -> Iterator[str]:
    if scenario.processes == "one":
        yield "source, broker and target share one process, which calibration does not measure"
    if scenario.faults or scenario.poison:
        yield (
            "latency is that with what goes wrong, of the messages that are delivered; the load that"
            " saturates is that without"
        )
    if scenario.speed_up > 1:
        yield (
            f"predicted at the scenario's own pace: a measured run is {scenario.speed_up:,g} times"
            " as fast"
        )


def _peak_rate(scenario: Scenario) -> float:
    """Return messages a second, in bursts where there are any."""
    arrivals = scenario.workload.arrivals
    return arrivals.rate if isinstance(arrivals, OnOff) else arrivals.mean_rate


def _of_range(scenario: Scenario, runs: Any) -> Iterator[str]:
    known = [run for run in runs if isinstance(run, Mapping)] if isinstance(runs, list) else []
    wanted = {
        "rate": (_peak_rate(scenario), "messages/s"),
        "size": (scenario.workload.size.mean, "bytes"),
    }
    for key, (value, unit) in wanted.items():
        ran = [run[key] for run in known if isinstance(run.get(key), int | float)]
        if ran and not min(ran) <= value <= max(ran):
            yield (
                f"{number(value)} {unit} are outside the {number(min(ran))} to {number(max(ran))}"
                " that were calibrated"
            )
