"""docs/serve.md tells the truth: its commands are run against `pushpull serve`, by curl and wsdump."""

import json
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from commands import PATIENCE, PROGRAM, bash, environment
from test_cli_wrong import free_port, wait_until

TEXT = (Path(__file__).parent.parent / "docs" / "serve.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)```\n\n```\n(.*?)```", TEXT, re.DOTALL)
(TARGET,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
STOPPED = "pushpull: interrupted; the server has stopped\n"
# What stands for a line: a status, the members of a JSON object and their kinds, or the line.
Sign = str | tuple[tuple[str, str], ...]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, list[str]]]:
    """Run `pushpull serve --feed`; yield its port and what it says. It ends with Ctrl-C."""
    port = free_port()
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--feed", "--rate", "200", "--port", str(port)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(10)]
        yield port, lines
        assert process.poll() is None, "it is still there"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, err) == (130, "", STOPPED)
    finally:
        process.kill()


def signs(text: str) -> list[Sign]:
    """Return what stands for each line that matters; all but statuses only once."""
    found: list[Sign] = []
    for line in text.splitlines():
        sign = sign_of(line.strip())
        if sign and (sign not in found or str(sign).startswith("HTTP")):
            found.append(sign)
    return found


def sign_of(line: str) -> Sign:
    if line.startswith("HTTP/"):
        return line[:12]
    if line.startswith("id: "):
        assert re.fullmatch(r"id: \d+-\d+", line)
        return ""
    if line.removeprefix("data: ").startswith("{"):
        members = json.loads(line.removeprefix("data: "))
        return tuple((name, type(value).__name__) for name, value in members.items())
    if line.startswith(": "):
        return re.sub(r"\d+", "0", line)
    return line if line.startswith("retry") else ""


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_commands_do_as_they_are_shown(
    number: int, server: tuple[int, list[str]], tmp_path: Path
) -> None:
    script, sample = COMMANDS[number]
    target = str(free_port())
    (tmp_path / "target.py").write_text(TARGET.replace("9000", target))
    listens = "until (echo >/dev/tcp/127.0.0.1/9000) 2>/dev/null; do sleep 0.05; done"
    hook = "curl http://127.0.0.1:8765/webhooks/mine"
    delivers = f"until {hook} | grep -q 'offset\": [0-9][0-9]'; do sleep 0.05; done"
    changes = {"& sleep 1": f"& {listens}", "\nsleep 1": f"\n{delivers}"}
    changes |= {"9000": target, "8765": str(server[0])}
    for there, here in changes.items():
        script = script.replace(there, here)
    said = bash(script, tmp_path)
    expected, found = signs(sample), signs(said)
    assert set(expected) <= set(found), said  # a webhook may be quicker than the answer about it
    statuses = [sign for sign in found if str(sign).startswith("HTTP")]
    assert statuses == [sign for sign in expected if str(sign).startswith("HTTP")], said
    assert "a bad signature" not in said


def test_every_endpoint_that_it_names_answers(
    server: tuple[int, list[str]], tmp_path: Path
) -> None:
    port, lines = server
    commands = dict(line.split("  ", 1) for line in lines)
    assert len(commands) == 10 and all(str(port) in command for command in commands.values())
    script = [f"{command} >'{what}' &" for what, command in commands.items()]
    bash("\n".join(script).replace("-N", "-N --max-time 1") + "\nwait", tmp_path)
    said = {what: (tmp_path / what).read_text() for what in commands}
    for what in ("what there is", "publish", "publish once", "webhook", "consumer group"):
        assert sign_of(said[what]), said[what]
    for what in ("short poll", "long poll", "anything new?"):
        assert said[what].startswith("HTTP/1.1 200"), said[what]
    for what in ("WebSocket", "server-sent events"):
        assert '"symbol":' in said[what], said[what]


def test_a_feed_that_is_interrupted_says_what_it_has(
    server: tuple[int, list[str]], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "feed", f"ws://127.0.0.1:{server[0]}/stream", "--batch", "10"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        path, log = tmp_path / "ticks.db", tmp_path / "ticks.db-wal"
        wait_until(lambda: log.exists() and log.stat().st_size > 50_000)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    told = re.fullmatch(r"pushpull: interrupted; ([\d,]+) new ticks in ticks.db \(.*\n", err)
    assert told, err
    with closing(sqlite3.connect(path)) as file:
        ((count, last),) = file.execute("SELECT count(*), max(sequence) + 1 FROM ticks").fetchall()
        ((cursor,),) = file.execute("SELECT next FROM cursors").fetchall()
    assert int(told[1].replace(",", "")) == count
    assert count <= last <= cursor  # among them may be what other tests have published
