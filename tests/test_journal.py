"""The journal: a log goes on where it was, whatever killed its process; wrong files are refused."""

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from lab import InvalidInput
from lab.engines.loopback.journal import SqliteJournal
from lab.roles import Log, Retention

KILLS = 100
FEW = Retention(count=50)


def everything(log: Log) -> list[int]:
    return list(log.read(log.start, log.end - log.start))


def state(log: Log) -> dict[str, Any]:
    return {
        "start": log.start,
        "end": log.end,
        "size": log.size,
        "sequence": log.sequence,
        "committed": dict(log.committed),
        "messages": everything(log),
    }


def restored(path: Path, retention: Retention | None = None, sizes: Sequence[int] = ()) -> Log:
    """Return the log as another process would find it."""
    journal = SqliteJournal(path)
    log = journal.restore(retention, sizes)
    journal.close()
    return log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def test_a_new_journal_has_an_empty_log(path: Path) -> None:
    journal = SqliteJournal(path)
    log = journal.restore(FEW, epoch=3)
    assert state(log) == state(Log())
    assert (log.epoch, log.retention, log.journal) == (3, FEW, journal)
    assert state(restored(path)) == state(Log())


def test_a_log_goes_on_where_it_was(path: Path) -> None:
    log = SqliteJournal(path).restore()
    for _ in range(3):
        first = log.end
        log.sequence = first
        log.append(range(first, first + 3), now=first / 10)
        log.append((7,), now=first / 10 + 0.05)
        log.commit("0", first + 1)
        log.commit("another", first)
        again = SqliteJournal(path).restore()
        assert state(again) == state(log)
        assert again.end == first + 4
        assert [again.offset_at(t / 20) for t in range(30)] == [
            log.offset_at(t / 20) for t in range(30)
        ]
        log = again


def test_what_expired_stays_forgotten(path: Path) -> None:
    sizes = list(range(1, 100))
    keep = Retention(count=10, bytes=400, age=5.0)
    log, same = SqliteJournal(path).restore(keep, sizes), Log(keep, sizes)
    chance = random.Random(1)
    for turn in range(100):
        messages = [chance.randrange(len(sizes)) for _ in range(chance.randrange(4))]
        now = turn * 0.7
        for one in (log, same):
            one.sequence = turn
            one.append(messages, now)
            one.expire(now)
        if turn % 5 == 0:
            log = restored(path, keep, sizes)
            log.journal = SqliteJournal(path)
        assert state(log) == state(same)
        assert log.oldest_expires_at() == same.oldest_expires_at()
    assert log.start > 80
    rows = sqlite3.connect(path).execute("SELECT count(*) FROM batches").fetchone()
    assert rows[0] < 20


def test_an_empty_log_remembers_where_it_ends_and_what_came_last(path: Path) -> None:
    log = SqliteJournal(path).restore(Retention(age=1.0))
    log.sequence = 5
    log.append(range(10), 0.0)
    log.expire(1.0)
    log = restored(path, Retention(age=1.0))
    assert (log.start, log.end, log.sequence) == (10, 10, 5)


def test_a_batch_can_expire_in_part(path: Path) -> None:
    log = SqliteJournal(path).restore(Retention(count=4))
    log.append(range(100, 110), 0.0)
    log.expire(0.0)
    log = restored(path)
    assert (log.start, log.end, everything(log)) == (6, 10, [106, 107, 108, 109])


# Killed processes


def message(offset: int) -> int:
    return offset * 7919 % 10007


def work(path: Path, seed: int, pipe: Connection) -> None:
    """Append, commit and expire for ever; say each time what is safe."""
    log = SqliteJournal(path).restore(FEW)
    chance = random.Random(seed)
    while True:
        offset = log.end
        log.sequence = offset
        messages = [message(offset + i) for i in range(chance.randint(1, 5))]
        log.append(messages, now=float(offset))
        pipe.send(("end", log.end))
        if chance.random() < 0.5:
            log.commit("reader", offset)
            pipe.send(("committed", offset))
        log.expire(float(offset))
        pipe.send(("start", log.start))


def check(log: Log, safe: dict[str, int]) -> None:
    """Check that all that is `safe` is there, and at most one batch more."""
    assert safe["end"] <= log.end <= safe["end"] + 5
    assert safe["start"] <= log.start <= max(safe["start"], log.end - 50)
    assert log.committed.get("reader", 0) >= safe["committed"]
    assert everything(log) == [message(offset) for offset in range(log.start, log.end)]
    if log.sequence is not None:
        assert log.end - 5 <= log.sequence < log.end
        assert log.offset_at(float(log.sequence)) == log.sequence


def test_what_was_acknowledged_survives_a_hundred_kills(path: Path) -> None:
    fork = multiprocessing.get_context("fork")  # a spawned process would take long to import
    chance = random.Random(3)
    safe = {"end": 0, "committed": 0, "start": 0}
    unannounced = 0  # killed between the disk and the pipe
    for kill in range(KILLS):
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=work, args=(path, kill, theirs), daemon=True)
        process.start()
        theirs.close()
        for _ in range(chance.randrange(40)):
            safe.update([ours.recv()])
        time.sleep(chance.uniform(0, 0.003))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        try:
            while True:
                safe.update([ours.recv()])
        except (EOFError, OSError):
            ours.close()
        assert process.exitcode == -signal.SIGKILL
        log = restored(path, FEW)
        check(log, safe)
        unannounced += log.end > safe["end"]
        safe["end"], safe["start"] = log.end, log.start
    assert safe["end"] > 5 * KILLS and unannounced


def test_a_journal_cut_off_anywhere_is_a_log_up_to_some_moment(path: Path, tmp_path: Path) -> None:
    """What a failing power supply can leave: not all that was written to the file's write-ahead log."""
    log = SqliteJournal(path).restore(FEW)
    past = [state(log)]
    for turn in range(40):
        log.append([message(log.end + i) for i in range(3)], 0.0)
        past.append(state(log))
        log.commit("reader", turn)
        past.append(state(restored(path)))
        log.expire(0.0)
        past.append(state(log))
    ahead = path.with_name("log.db-wal").read_bytes()
    assert len(ahead) > 100_000
    chance = random.Random(1)
    ends = set()
    for cut in range(60):
        copy = tmp_path / f"copy {cut}"
        shutil.copy(path, copy)
        kept = ahead[: chance.randrange(len(ahead))]
        copy.with_name(f"{copy.name}-wal").write_bytes(kept)
        found = state(restored(copy))
        assert found in past
        ends.add(found["end"])
    assert len(ends) > 20


# Wrong files


def refusal(path: Path) -> None:
    with pytest.raises(InvalidInput) as error:
        restored(path)
    text = str(error.value)
    assert text.startswith(f"{path}: not a journal of the lab: ")
    assert "\n" not in text and len(text) < 300


def other_database(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE batches (first, at, sequence, messages)")


def cut_short(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.restore().append(range(10_000), 0.0)
    journal.close()
    path.write_bytes(path.read_bytes()[:20_000])


WRONG: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("offset,message\n0,1\n" * 100),
    "noise": lambda path: path.write_bytes(random.Random(1).randbytes(5000)),
    "folder": lambda path: path.mkdir(),
    "other database": other_database,
    "cut short": cut_short,
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_journal(case: str, path: Path) -> None:
    WRONG[case](path)
    before = path.read_bytes() if path.is_file() else None
    refusal(path)
    assert before is None or path.read_bytes() == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    refusal(tmp_path / "nowhere" / "log.db")


DAMAGE = {
    "a gap": "DELETE FROM batches WHERE first = 3",
    "the beginning is gone": "DELETE FROM batches WHERE first = 0",
    "half a message": "UPDATE batches SET messages = x'00ff00' WHERE first = 3",
    "no messages": "UPDATE batches SET messages = NULL WHERE first = 3",
    "messages that cannot be": f"UPDATE batches SET messages = x'{'ff' * 24}' WHERE first = 3",
    "text for messages": "UPDATE batches SET messages = 'eight by' WHERE first = 6",
    "text for a time": "UPDATE batches SET at = 'noon' WHERE first = 3",
    "no time": "UPDATE batches SET at = NULL WHERE first = 3",
    "text for a sequence": "UPDATE batches SET sequence = 'one'",
    "a start past the end": "UPDATE kept SET start = 10",
    "a start before all": "UPDATE kept SET start = -1",
    "text for a start": "UPDATE kept SET start = 'here'",
    "no start": "DELETE FROM kept",
    "two starts": "INSERT INTO kept VALUES (1)",
    "a commit past the end": "INSERT INTO committed VALUES ('1', 10)",
    "a commit of text": "INSERT INTO committed VALUES ('1', 'end')",
    "no table": "DROP TABLE committed",
    "nothing left": "DELETE FROM batches",
}


@pytest.mark.parametrize("case", DAMAGE)
def test_what_does_not_fit_together(case: str, path: Path) -> None:
    log = SqliteJournal(path).restore(Retention(count=8))
    for first in (0, 3, 6):
        log.append(range(first, first + 3), 0.0)
    log.expire(0.0)
    assert state(restored(path))["start"] == 1
    with sqlite3.connect(path) as file:
        file.execute(DAMAGE[case])
    refusal(path)


def test_messages_that_the_run_does_not_have(path: Path) -> None:
    SqliteJournal(path).restore().append((1, 2, 3), 0.0)
    assert everything(restored(path, sizes=[1, 1, 1, 1])) == [1, 2, 3]
    with pytest.raises(InvalidInput, match="no such messages as those at offset 0"):
        restored(path, sizes=[1, 1, 1])


def test_flipped_bytes_are_refused_or_do_no_harm(path: Path) -> None:
    log = SqliteJournal(path).restore(FEW)
    for _ in range(30):
        log.append(range(100), 0.0)
        log.commit("reader", log.end)
    assert isinstance(log.journal, SqliteJournal)
    log.journal.close()
    good = path.read_bytes()
    chance = random.Random(1)
    refused = 0
    for _ in range(300):
        bad = bytearray(good)
        at = chance.randrange(len(bad) if chance.random() < 0.5 else 4096)
        bad[at] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        try:
            found = restored(path)
            assert found.end - found.start == len(everything(found))
        except InvalidInput:
            refused += 1
    assert refused > 10
