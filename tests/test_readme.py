"""The README tells the truth: its tables are those of the code, and its examples run."""

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commands import bash
from test_cli_wrong import free_port

from lab import Scenario
from lab.cli import app

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def test_tables_are_generated() -> None:
    """If this fails, put the output of `pushpull list --markdown` into the README."""
    command = [sys.executable, "-m", "lab", "list", "--markdown"]
    tables = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for table in tables.strip().split("\n\n"):
        assert table in README


FEED = [text for text in blocks("python") if "lab.feed" in text]
EXAMPLES = [text for text in blocks("python") if text not in FEED]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_python_examples_run(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "example.py"
    script.write_text(EXAMPLES[number], encoding="utf-8")
    values = runpy.run_path(str(script))
    assert isinstance(values["scenario"], Scenario)
    if "trace" in values:
        assert re.fullmatch(r"\d+\.\d ms\n", capsys.readouterr().out)


def test_toml_example_is_a_scenario() -> None:
    (text,) = blocks("toml")
    assert len(Scenario.read(tomllib.loads(text), "feed.toml").strategies) == 2


def test_commands_exist() -> None:
    known = {command.name for command in app.registered_commands}
    used = set(re.findall(r"^pushpull (\w+)", README, re.MULTILINE))
    assert used
    assert used <= known


def test_the_price_feed_can_be_pasted(tmp_path: Path) -> None:
    """The client of the example runs while the server of the commands does."""
    (script,) = [text for text in blocks("sh") if "serve --feed --for" in text]
    (example,) = FEED
    port = str(free_port())
    (tmp_path / "client.py").write_text(example.replace("8765", port), encoding="utf-8")
    changes = {
        "8765": port,
        "serve --feed --for 100": f"serve --feed --port {port}",
        "--count": "--patience 100 --count",  # a busy machine starts the server slowly
        "kill %1": "python3 client.py",  # what is left is killed by `bash`
    }
    for there, here in changes.items():
        script = script.replace(there, here)
    said = bash(script, tmp_path)
    assert len(re.findall(r"^500 new ticks in ticks.db", said, re.MULTILINE)) == 3, said
    assert '"records":[{"id":1500,' in said and "[(1500,)]" in said
    assert (
        len(re.findall(r"^\d+ \{'sequence': \d+, 'symbol': '(BTC|ETH)/USD'", said, re.MULTILINE))
        > 20
    )
    assert "EUR" not in said.partition("[(1500,)]")[2]
