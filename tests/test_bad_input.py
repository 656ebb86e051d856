"""Input that the lab cannot use: each is answered with one line that names the file and the field."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from lab import IDEAL, LongPoll, Poisson, Scenario, ShortPoll, Workload, compare, physics, simulate
from lab.description import InvalidInput
from lab.library import find
from lab.scenario import override

SOON = 5.0  # seconds; a refusal takes milliseconds, but the machine may be busy
ARRIVALS = {"kind": "poisson", "rate": 10}


def scenario(workload: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return a scenario as plain data, with `fields` and parts of the workload replaced."""
    plain = {"workload": {"arrivals": ARRIVALS} | (workload or {})}
    return plain | {"strategies": [{"kind": "ShortPoll"}]} | fields


def strategy(**knobs: Any) -> dict[str, Any]:
    return scenario(strategies=[{"kind": "ShortPoll"} | knobs])


def arrivals(**fields: Any) -> dict[str, Any]:
    return scenario({"arrivals": ARRIVALS | fields})


def complaint(path: Path | str) -> str:
    """Return what is said about a file, without its name; it must be one line, and said soon."""
    begun = time.monotonic()
    with pytest.raises(InvalidInput) as caught:
        find(str(path))
    assert time.monotonic() - begun < SOON
    text = str(caught.value)
    assert "\n" not in text and len(text) < 500 + len(str(path))
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def said_of(folder: Path, text: str | bytes, suffix: str = ".json") -> str:
    path = folder / f"bad{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return complaint(path)


BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": (
        strategy(intervall=1),
        "strategies[0].intervall: no such key; did you mean 'interval'?",
    ),
    "unknown top key": (scenario(stratgies=[]), "no such key; did you mean 'strategies'?"),
    "unknown arrivals key": (arrivals(rat=3), "workload.arrivals.rat: no such key; did you mean"),
    "nothing near": (scenario(zzz=1), "zzz: no such key; known are drain, durable,"),
    "unknown kind": (strategy(kind="Pigeon"), "strategies[0].kind: got 'Pigeon'; need 'WebSocket"),
    "no kind": (scenario(strategies=[{}]), "strategies[0].kind: missing"),
    "no workload": ({"strategies": []}, "workload: missing"),
    "no strategies": (scenario(strategies=[]), "strategies: got []; need at least 1 item"),
    "negative rate": (arrivals(rate=-1), "workload.arrivals.rate: got -1; need greater than 0"),
    "zero rate": (arrivals(rate=0), "workload.arrivals.rate: got 0; need greater than 0"),
    "interval 0": (strategy(interval=0), "strategies[0].interval: got 0; need greater than 0"),
    "no consumers": (scenario({"consumers": 0}), "workload.consumers: got 0; need greater than"),
    "half a consumer": (scenario({"consumers": 1.5}), "workload.consumers: got 1.5; need a whole"),
    "retention": (scenario(retention={"count": 10}), "need retention of at least a batch"),
    "too many": (arrivals(rate=1e11), "workload: need at most 20,000,000 deliveries; these are"),
    "too many consumers": (scenario({"consumers": 10**9}), "workload.consumers: got 1000000000"),
    "too many bursts": (
        scenario({"arrivals": {"kind": "on_off", "rate": 1, "on": 1e-9, "off": 0}}),
        "workload: need at most 1,000,000 bursts",
    ),
    "bursts of nothing": (
        scenario({"arrivals": {"kind": "on_off", "rate": 1, "on": 0, "off": 1}}),
        "workload.arrivals: need bursts that last",
    ),
    "too long": (scenario({"duration": 1e300}), "workload.duration: got 1e+300; need less than"),
    "drains too long": (scenario(drain=1e300), "drain: got 1e+300; need less than"),
    "waits too long": (strategy(interval=1e300), "interval: got 1e+300; need less than"),
    "too large": (scenario({"size": 1e9}), "workload: need messages of at most 10 MB"),
    "too much work": (scenario({"work": 1e300}), "workload: need work of at most 1e+09 s"),
    "negative size": (scenario({"size": -1}), "workload.size.value: got -1; need greater than"),
    "size of words": (scenario({"size": "big"}), "workload.size: got 'big'; need an object of"),
    "warm-up": (
        scenario({"warm_up": 20}),
        "workload: need a warm_up (20 s) shorter than the duration (10 s)",
    ),
    "uniform": (
        scenario({"size": {"kind": "uniform", "low": 3, "high": 1}}),
        "workload.size: need low <= high, got 3 and 1",
    ),
    "version": (scenario(version=2), "version: got 2; need 1"),
    "version true": (scenario(version=True), "version: got True; need a whole number"),
    "true as a rate": (arrivals(rate=True), "workload.arrivals.rate: got True; need a number"),
    "true as a count": (scenario({"consumers": True}), "workload.consumers: got True; need a who"),
    "1 as a flag": (strategy(destructive=1), "strategies[0].destructive: got 1; need a boolean"),
    "text as a rate": (arrivals(rate="10"), "workload.arrivals.rate: got '10'; need a number"),
    "name with a path": (scenario(name="../x"), "name: got '../x'; need 1 to 60 letters,"),
    "name of nothing": (scenario(name=""), "name: got ''; need 1 to 60 letters,"),
    "the same twice": (
        scenario(strategies=[{"kind": "LongPoll"}] * 2),
        "need different strategies, got LongPoll twice",
    ),
}


@pytest.mark.parametrize("case", BAD_FIELDS)
def test_wrong_fields(case: str, tmp_path: Path) -> None:
    data, text = BAD_FIELDS[case]
    said = said_of(tmp_path, json.dumps(data))
    assert text in said
    assert "{" not in said, "a whole object was dumped"


def test_the_estimated_cost_of_too_many_messages_is_told(tmp_path: Path) -> None:
    said = said_of(tmp_path, json.dumps(arrivals(rate=1e11)))
    assert "about 1e+12 and would take about 2.78e+03 hours and 1.2e+05 GB" in said


def test_a_scenario_that_is_right_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "my feed.json"
    path.write_text(json.dumps(scenario(version=1)), encoding="utf-8")
    assert find(str(path)).name == "my_feed"
    assert find(str(path)).strategies == [ShortPoll()]


RATE = '{"workload": {"arrivals": {"kind": "poisson", "rate": %s}}, "strategies": []}'
TOML = '[workload.arrivals]\nkind = "poisson"\nrate = %s\n[[strategies]]\nkind = "LongPoll"\n'
BAD_TEXTS: dict[str, tuple[str, str | bytes, str]] = {
    "NaN": (".json", RATE % "NaN", "workload.arrivals.rate: got nan; need a finite number"),
    "infinity": (".json", RATE % "-Infinity", "workload.arrivals.rate: got -inf; need"),
    "1e999": (".json", RATE % "1e999", "workload.arrivals.rate: got inf; need a finite number"),
    "nan": (".toml", TOML % "nan", "workload.arrivals.rate: got nan; need a finite number"),
    "inf": (".toml", TOML % "inf", "workload.arrivals.rate: got inf; need a finite number"),
    "twice": (".json", RATE % '1, "rate": 2', "rate: stands twice"),
    "twice in TOML": (".toml", TOML % "1\nrate = 2", "Cannot overwrite a value (at line 4"),
    "mark": (".json", b"\xef\xbb\xbf{}", "begins with a byte-order mark; need plain UTF-8"),
    "mark in TOML": (".toml", b"\xef\xbb\xbf", "begins with a byte-order mark"),
    "not UTF-8": (".json", b'{"a": "\xff"}', "can't decode byte 0xff"),
    "nothing": (".json", "", "Expecting value"),
    "a list": (".json", "[]", "need an object of fields"),
    "nested": (".json", "[" * 100_000, "recursion depth"),
    "digits": (".json", RATE % ("9" * 5000), "integer string conversion"),
    "a zero byte": (".toml", "\0", "at line 1"),
    "huge": (".json", " " * 1_000_001, "larger than 1000000 bytes"),
}


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_wrong_texts(case: str, tmp_path: Path) -> None:
    suffix, text, said = BAD_TEXTS[case]
    assert said in said_of(tmp_path, text, suffix)


BAD_SCRIPTS = {
    "syntax": ("x = (\n", "SyntaxError: '(' was never closed"),
    "no scenario": ("x = 1\n", "scenario: missing; need scenario = Scenario(...)"),
    "another thing": ("scenario = 3\n", "scenario: missing; need scenario = Scenario(...)"),
    "raises": ("def f():\n    return 1 / 0\n\nf()\n", "line 2: ZeroDivisionError: division by"),
    "imports": ("import no_such_module\n", "line 1: ModuleNotFoundError: No module named"),
    "exits": ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
    "zero byte": ("a\0b", "SyntaxError: source code string cannot contain null bytes"),
    "invalid": ("from lab import Poisson\n\nPoisson(rate=0)\n", "line 3: rate: got 0; need gre"),
    "misled": ("from lab.library import find\nfind('x')\n", "line 2: x: no such scenario; there"),
}


@pytest.mark.parametrize("case", BAD_SCRIPTS)
def test_wrong_scripts(case: str, tmp_path: Path) -> None:
    text, said = BAD_SCRIPTS[case]
    assert said in said_of(tmp_path, text, ".py")


def test_what_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("folder.toml", "pipe.json", "missing.py", "x" * 300 + ".toml"):
        assert complaint(tmp_path / name) == "not a file that can be read"
    assert complaint("../secret").startswith("no such scenario; there are price_feed,")


def test_a_calibration_that_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "old.json").write_text('{"schema": 0}')
    (tmp_path / "negative.json").write_text('{"schema": 1, "physics": {"loop": {"timer": -1}}}')
    for name in ("missing", "pipe", "text", "old", "negative"):
        with pytest.raises(InvalidInput, match=f"^{tmp_path}/{name}.json: [^\n]*$"):
            physics.load(tmp_path / f"{name}.json")


BAD_CSV = {
    "column": ("when\n1\n", "no column 'time'; there are: when"),
    "number": ("time\n0.1\nsoon\n", "line 3: time: got 'soon'; need a time in seconds, 0 or more"),
    "negative": ("time\n-1\n", "line 2: time: got '-1'; need"),
    "nan": ("time\nnan\n", "line 2: time: got 'nan'; need"),
    "infinite": ("time\n1e999\n", "line 2: time: got '1e999'; need"),
    "short line": ("a,time\n1\n", "line 2: time: got None; need"),
    "empty": ("", "no column 'time'"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_wrong_times_to_replay(case: str, tmp_path: Path) -> None:
    text, said = BAD_CSV[case]
    path = tmp_path / "times.csv"
    path.write_text(text)
    replayed = Scenario.read(scenario({"arrivals": {"kind": "replay", "path": str(path)}}), "here")
    with pytest.raises(InvalidInput) as caught:
        simulate(replayed, replayed.strategies[0], IDEAL)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_times_to_replay_that_are_not_there(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "pipe"):
        data = scenario({"arrivals": {"kind": "replay", "path": str(path)}})
        with pytest.raises(InvalidInput, match=f"^{path}: not a file that can be read$"):
            compare(Scenario.read(data, "here"), engines=["simulation"])


BAD_SETTINGS = {
    "strategy.intervall=1": "'intervall': no such knob; did you mean 'interval'?",
    "strategy.ShortPol.interval=1": "no such knob; did you mean 'ShortPoll'?",
    "strategy.interval=nan": "strategies[0].interval: got nan; need a finite number",
    "strategy.interval=true": "strategies[0].interval: got True; need a number",
    "strategy.interval=soon": "strategies[0].interval: got 'soon'; need a number",
    "strategy=1": "no such knob",
    "workload.arrivals.rat=3": "workload.arrivals.rat: no such key; did you mean 'rate'?",
    "workload.warm_up=100": "workload: need a warm_up (100 s) shorter than the duration (10 s)",
    "workload.consumers.deep=1": "'consumers' has no fields inside",
    "strategies.0.interval=1": "'strategies' has no fields inside",
    "workload": "need path.to.field=value",
    "=1": "need path.to.field=value",
}


@pytest.mark.parametrize("setting", BAD_SETTINGS)
def test_wrong_settings(setting: str) -> None:
    whole = Scenario(
        workload=Workload(arrivals=Poisson(rate=10)), strategies=[ShortPoll(), LongPoll()]
    )
    with pytest.raises(InvalidInput) as caught:
        override(whole, [setting])
    said = str(caught.value)
    assert said.startswith(f"--set {setting}: ")
    assert BAD_SETTINGS[setting] in said
    assert "{" not in said


def test_a_consumer_that_cannot_keep_up_is_warned_of() -> None:
    workload = Workload(arrivals=Poisson(rate=100), work=0.02, duration=1)
    busy = Scenario(workload=workload, strategies=[LongPoll()], replications=1)
    notes = compare(busy, engines=["simulation"]).notes
    assert any(note.startswith("unstable: each consumer needs 2.00 s") for note in notes)
    idle = override(busy, ["workload.work=0.001"])
    assert not any("unstable" in note for note in compare(idle, engines=["simulation"]).notes)
