"""Wrong command lines and Ctrl-C: one line on standard error, nothing written, nothing left running."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import PATIENCE, PROGRAM, Shell, environment, run

from lab import Comparison

SOON = 10.0  # seconds; a refusal takes milliseconds, but the machine may be busy

WRONG = {
    "compare nothing_like_it": "nothing_like_it: no such scenario; there are price_feed,",
    "compare missing.toml": "missing.toml: not a file that can be read",
    "compare --port 0": "--port: got 0; need 1 to 65535",
    "compare --port 70000": "--port: got 70000; need 1 to 65535",
    "measure --port -5": "--port: got -5; need 1 to 65535",
    "measure --port many": "--port",
    "compare --engine foo": "--engine: got 'foo'; need one of theory, simulation, loopback",
    "compare --replications 0": "--replications",
    "simulate --replications 1001": "--replications",
    "simulate --seed -1": "'--seed': need greater than or equal to 0",
    "simulate --seed x": "'--seed': need a whole number",
    "simulate --wrong": "--wrong",
    "simulate --set": "--set",
    "simulate --set nonsense": "--set nonsense: need path.to.field=value",
    "simulate --set strategy.intervall=1": "did you mean 'interval'?",
    "simulate --set workload.arrivals.rate=0": "workload.arrivals.rate: got 0; need greater than 0",
    "simulate --set workload.arrivals.rate=1e12": "need at most 20,000,000 deliveries",
    "list Nothing": "no such strategy; known are WebSocketPush,",
    "simulate --strategy Webhok": "--strategy Webhok: no such strategy; did you mean 'Webhook'?",
    "simulate --strategy ShortPoll(0.1)": "need a strategy, as Webhook or ShortPoll(interval=0.2)",
    "measure --strategy ShortPoll(interval=x)": "interval: got 'x'; need a number",
    "compare --strategy Webhook --strategy Webhook": "--strategy: need different strategies",
    "simulate --set name=../x": "name: got '../x'; need",
    "compare --out file": "--out: got file; need a folder that can be written",
    "compare --out file/deeper/still": "--out: got file/deeper/still; need a folder",
    "simulate --out file/x": "--out: got file/x; need a folder",
    "calibrate --out folder": "--out: got folder; need a file",
    "calibrate --out file/x": "need a folder that can be written",
    "simulate --calibration missing.json": "missing.json: not a file that can be read",
    "simulate --calibration file": "file: not a calibration",
    "serve --port 0": "--port: got 0; need 1 to 65535",
    "serve --host 0.0.0.0": "--host: got 0.0.0.0; need --token as well",
    "serve --host 192.0.2.1 --token 0123456789abcdef": "--host: got 192.0.2.1; need an address of",
    "serve --token short": "--token: need at least 16 characters",
    "serve --rate 0": "--rate: got 0; need more than 0",
    "serve --rate nan": "--rate: got nan; need more than 0",
    "serve --symbols A,,B": "--symbols: got 'A,,B'; need names",
    "serve --keep 100001": "--keep: got 100001; need 1 to 100000",
    "serve --for 0": "--for: got 0; need seconds, more than 0",
    "feed nonsense": "nonsense: need ws://HOST:PORT/stream, or http://HOST:PORT",
    "feed --into folder": "folder: not a database for ticks",
    "feed --into file": "file: not a database for ticks",
    "feed --into missing/ticks.db": "missing/ticks.db: not a database for ticks",
    "feed --into postgresql://me:secret@127.0.0.1:1/x": "not a database for ticks",
    "feed --batch 0": "--batch",
    "feed --wait 61": "--wait, --patience: need 0 or more, --wait at most 60",
    "feed --linger inf": "--linger: got inf; need seconds",
    "check": "TRACE",
    "check file": "file: not a trace, or cut off",
    "frobnicate": "frobnicate",
    "simulate one two": "two",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_input_gets_one_line(line: str, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder").mkdir()
    begun = time.monotonic()
    answer = shell(*line.split())
    assert time.monotonic() - begun < SOON
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("pushpull: ") and answer.err.endswith("\n")
    assert answer.err.count("\n") == 1
    assert WRONG[line] in answer.err
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}
    assert (tmp_path / "file").read_text() == "precious"


def test_a_port_in_use(shell: Shell, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = shell("measure", "--port", str(port))
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith(f"pushpull: --port: got {port}; need a free port")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_ours(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(0o500)
    answer = shell("simulate", "--out", "locked/out")
    assert (answer.status, answer.out) == (2, "")
    assert "locked/out; need a folder that can be written" in answer.err


def test_in_a_process_of_its_own_there_is_no_traceback_either(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("scenario = 1 / 0\n")
    answer = run("compare", "bad.py", cwd=tmp_path)
    assert answer == (2, "", "pushpull: bad.py: line 1: ZeroDivisionError: division by zero\n")
    assert not (tmp_path / "results").exists()


def test_a_feed_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    answer = shell("feed", f"{url}/records", "--patience", "0.1")
    assert (answer.status, answer.out) == (1, "")
    reason = "unreachable: Connection refused; 0 new ticks in ticks.db"
    assert answer.err.startswith(f"pushpull: {url}: {reason}")


def interrupt(*arguments: Any, **named: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (lambda patch: patch.setattr("lab.cli.runs.compare", interrupt), "nothing was written"),
        (
            lambda patch: patch.setattr(Comparison, "save", interrupt),
            "what is in here is incomplete",
        ),
    ],
)
def test_ctrl_c_says_what_became_of_the_output(
    place: Callable[[Any], None], text: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(monkeypatch)
    answer = shell("simulate", "rare_updates", "--quick", "--out", "here")
    assert (answer.status, answer.out) == (130, "")
    assert answer.err == f"pushpull: interrupted; {text}\n"


def processes() -> dict[int, tuple[int, str]]:
    """Return parent and state of every process on this machine."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[int(entry.name)] = (int(words[1]), words[0])
    return found


def children(pid: int) -> set[int]:
    return {child for child, (parent, _) in processes().items() if parent == pid}


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


LONG = """
strategies = [{ kind = "LongPoll" }]

[workload]
arrivals = { kind = "periodic", rate = 10 }
duration = 300
"""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGKILL], ids=lambda s: s.name)
def test_nothing_is_left_running(signal_: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(LONG)
    port = free_port()
    process = subprocess.Popen(
        [*PROGRAM, "measure", "long.toml", "--out", "out", "--port", str(port)],
        env=environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    sides: set[int] = set()
    try:
        wait_until(lambda: listens(port) or process.poll() is not None)
        time.sleep(0.5)  # in the middle of the run, unless the machine is very busy
        sides = children(process.pid)
        if signal_ is signal.SIGINT:  # as a terminal does, to all of them
            os.killpg(process.pid, signal_)
        else:
            process.send_signal(signal_)
        out, err = process.communicate(timeout=PATIENCE)
        wait_until(lambda: not any(processes().get(pid, (0, "Z"))[1] != "Z" for pid in sides))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert len(sides) >= 3
    assert out == "" and [path.name for path in tmp_path.iterdir()] == ["long.toml"]
    if signal_ is signal.SIGINT:
        assert process.returncode == 130
        assert err == "pushpull: interrupted; nothing was written\n"
    else:
        assert err == ""
