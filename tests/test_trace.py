"""The trace: what is saved is what is read, files are whole or absent, and damaged ones are refused."""

import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import changed, trace

from lab import IDEAL, Exponential, HttpIngest, Poisson, Scenario, Webhook, Workload, simulate
from lab.description import InvalidInput
from lab.trace import PARTS, STAMPS, Counters, Fate, Trace, load

NAN = float("nan")


@pytest.fixture(scope="module")
def simulated() -> Trace:
    workload = Workload(
        arrivals=Poisson(rate=100), work=Exponential(mean=0.005), consumers=2, duration=3, seed=4
    )
    strategy = Webhook(concurrency=2)
    return simulate(Scenario(workload=workload, strategies=[strategy]), strategy, IDEAL)


def test_round_trip(simulated: Trace, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "run.npz"
    simulated.save(path)
    again = load(path)
    for name, column in simulated.columns().items():
        assert column.tobytes() == getattr(again, name).tobytes(), name
        assert column.dtype == getattr(again, name).dtype
    assert again.counters == simulated.counters
    assert again.manifest == json.loads(json.dumps(simulated.manifest))


def test_an_empty_trace_survives(tmp_path: Path) -> None:
    trace().save(tmp_path / "none.npz")
    assert len(load(tmp_path / "none.npz")) == 0


def test_rows_are_sorted_by_consumer_and_then_by_message(simulated: Trace) -> None:
    rows = list(zip(simulated.consumer.tolist(), simulated.message.tolist(), strict=True))
    assert rows == sorted(rows)
    assert len(set(rows)) == len(rows) == simulated.manifest["messages"] * 2


def total(parts: dict[str, Any]) -> Any:
    return sum(parts.values())


def test_a_printed_trace_is_a_line(simulated: Trace) -> None:
    assert f"{len(simulated)} rows" in repr(simulated)
    assert len(repr(simulated)) < 120


def test_parts_add_up_to_the_latency(simulated: Trace) -> None:
    parts = simulated.parts()
    assert list(parts) == list(PARTS)
    assert np.abs(total(parts) - simulated.latency).max() < 1e-12
    assert all((part >= 0).all() for part in parts.values())


def test_parts_add_up_without_a_broker() -> None:
    workload = Workload(arrivals=Poisson(rate=100), work=0.001, duration=2)
    strategy = HttpIngest()
    direct = simulate(Scenario(workload=workload, strategies=[strategy]), strategy, IDEAL)
    assert np.isnan(direct.at_broker).all()
    assert (direct.parts()["to the broker"] == 0).all()
    assert np.abs(total(direct.parts()) - direct.latency).max() < 1e-12


def test_what_never_happened_is_unknown_and_never_zero() -> None:
    lost = changed(trace([0.0, 1.0]), done={1: NAN}, started={1: NAN}, received={1: NAN})
    assert np.isnan(lost.latency[1])
    assert lost.parts()["work"][0] > 0


def test_warm_up_is_not_counted() -> None:
    warm = trace([0.0, 0.5, 1.0], manifest={"warm_up": 0.5})
    assert warm.counted.tolist() == [False, True, True]


class Unwritable:
    """Stands for a value that cannot become JSON."""


def test_saving_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.npz"
    good = trace([0.0, 1.0])
    with pytest.raises(TypeError):
        trace([1.0], manifest={"x": Unwritable()}).save(path)
    assert not list(tmp_path.iterdir())
    good.save(path)
    before = path.read_bytes()

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        trace([2.0]).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def write(path: Path, head: Any, columns: dict[str, Any]) -> Path:
    text = np.frombuffer(json.dumps(head).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, head=text, **columns)
    return path


def head(**changes: Any) -> dict[str, Any]:
    counters = dataclasses.asdict(Counters())
    return {"schema": 2, "counters": counters, "manifest": {}} | changes


GOOD = trace([0.0, 1.0, 2.0]).columns()
BAD_COLUMNS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"done": None}, "columns are missing or unknown"),
    "unknown": ({"other": GOOD["done"]}, "columns are missing or unknown"),
    "short": ({"done": GOOD["done"][:2]}, "columns differ in length"),
    "flat": ({"done": GOOD["done"].reshape(3, 1)}, "done: need a column of times"),
    "single": ({"done": np.float64(1)}, "done: need a column of times"),
    "text": ({"done": np.array(["a", "b", "c"])}, "done: need a column of times"),
    "floats": ({"message": GOOD["done"]}, "message: need a column of whole numbers"),
    "backwards": ({"sent": GOOD["done"] + 1}, r"at_broker\[0\]: got .*; need a time not before"),
    "twice": ({"message": np.array([0, 1, 1], np.int32)}, "stands twice for one consumer"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_wrong_columns_are_refused(case: str, tmp_path: Path) -> None:
    change, text = BAD_COLUMNS[case]
    columns = {k: v for k, v in (GOOD | change).items() if v is not None}
    path = write(tmp_path / "run.npz", head(), columns)
    with pytest.raises(InvalidInput, match=text) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")


BAD_HEADS: dict[str, tuple[Any, str]] = {
    "future": (head(schema=3), "schema: got 3; need 2"),
    "none": (head(schema=None), "schema: got None; need 2"),
    "list": ([1], "schema: got None; need 2"),
    "counters": (head(counters={"wishes": 3}), "columns are missing or unknown"),
    "manifest": (head(manifest=7), "columns are missing or unknown"),
}


@pytest.mark.parametrize("case", BAD_HEADS)
def test_wrong_heads_are_refused(case: str, tmp_path: Path) -> None:
    data, text = BAD_HEADS[case]
    with pytest.raises(InvalidInput, match=text):
        load(write(tmp_path / "run.npz", data, GOOD))


class Planted:
    """Would touch a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "touched"
    plain = tmp_path / "plain.npz"
    plain.write_bytes(pickle.dumps(Planted(mark)))
    objects = GOOD | {"done": np.array([Planted(mark)] * 3, dtype=object)}
    for path in (plain, write(tmp_path / "objects.npz", head(), objects)):
        with pytest.raises(InvalidInput, match="not a trace"):
            load(path)
    assert not mark.exists()


def test_saving_pickles_nothing(tmp_path: Path) -> None:
    odd = dataclasses.replace(trace([0.0]), done=np.array([object()]))
    with pytest.raises(ValueError, match="[Pp]ickl|Object arrays"):
        odd.save(tmp_path / "run.npz")
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_refused_or_read_as_it_was(simulated: Trace, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    simulated.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for length in rng.integers(0, len(whole), 30):
        path.write_bytes(whole[:length])
        with pytest.raises(InvalidInput):
            load(path)
    for place in rng.integers(0, len(whole), 300):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            assert len(load(path)) == len(simulated)
        except InvalidInput as error:
            assert "\n" not in str(error)


def test_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.npz"):
        with pytest.raises(InvalidInput, match="not a file that can be read"):
            load(path)


def test_fates_and_stamps_are_those_that_the_documents_name() -> None:
    assert [fate.name for fate in Fate][:5] == [
        "IN_FLIGHT",
        "DELIVERED",
        "DROPPED",
        "EXPIRED",
        "DEAD_LETTERED",
    ]
    assert set(PARTS.values()) < set(STAMPS)
