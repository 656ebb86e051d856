"""Fixtures that several files of tests share.

Tests run in two processes, those of a file in the same one, so that what they have in common is made
once. (`--dist loadgroup` of xdist 3.8 has no effect with pytest 9.2.)
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Shell

# A shell's background job ignores Ctrl-C, and so would every command that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture(scope="module")
def postgres(postgres_server: Any, request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty PostgreSQL database, one for each file of tests."""
    name = request.module.__name__
    postgres_server.psql(f"CREATE DATABASE {name};")
    url: str = postgres_server.get_uri(name)
    return url


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run a PostgreSQL 16 from its wheel.

    For root it makes a system user `pgserver`, since PostgreSQL does not run as root.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        import pgserver  # it looks for that folder

        server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
        yield server
        server.cleanup()
