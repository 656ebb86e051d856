"""Running `pushpull` from tests: in this process, or in one of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import cli

PROGRAM = [sys.executable, "-m", "lab"]
PATIENCE = 120  # seconds; what takes longer hangs


class Answer(NamedTuple):
    status: int
    out: str
    err: str


def environment(**changes: str) -> dict[str, str]:
    """Return an environment in which Python buffers its output, as it does by default."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | changes


def run(*arguments: str | Path, cwd: Path, **variables: str) -> Answer:
    """Run a command in a process of its own, its output piped."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


FUNCTIONS = """
set -m
trap 'kill $(jobs -p) 2>/dev/null' EXIT
curl() { command curl -sS --max-time 15 "$@"; }
wsdump() { command wsdump --raw --eof-wait 1 "$@" </dev/null; }
"""


def bash(script: str, cwd: Path) -> str:
    """Run a script as a user would who pastes it; return what it says."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = subprocess.Popen(
        ["bash", "-c", FUNCTIONS + script],
        cwd=cwd,
        env=environment(PATH=path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = shell.communicate(timeout=PATIENCE)
    finally:
        shell.kill()
    # what bash says of a job that the script killed, if it notices in time
    err = re.sub(r"^\[\d+\].* Terminated .*\n", "", err, flags=re.MULTILINE)
    assert "Traceback" not in err, err
    assert not err or "timed out" in err, err
    return out


class Shell:
    """Runs commands in this process, which is much quicker, in an empty folder."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.patch = patch
        self.capture = capture

    def __call__(self, *arguments: str | Path) -> Answer:
        self.patch.setattr(sys, "argv", ["pushpull", *map(str, arguments)])
        self.capture.readouterr()
        with pytest.raises(SystemExit) as done:
            cli.run()
        assert isinstance(done.value.code, int)
        return Answer(done.value.code, *self.capture.readouterr())
