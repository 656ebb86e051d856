"""Fixtures that several files of tests share."""

from pathlib import Path

import pytest
from commands import Shell


@pytest.fixture(scope="session", autouse=True)
def _no_calibration_of_ones_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let every test, and every command that it starts, use the reference calibration."""
    pytest.MonkeyPatch().setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """Return what runs `pushpull` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)
