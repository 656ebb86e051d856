"""Files that are written whole or not at all, into folders that can be written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lab.description import InvalidInput


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` at the end of the block, unless that fails.

    Missing folders are made; what stood at `path` stays there until then. Raises `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def check_folder(out: Path | None) -> None:
    """Refuse a folder that cannot be written before a long run rather than after it."""
    if out is None:
        return
    there = next(p for p in (out, *out.absolute().parents) if os.path.lexists(p))
    if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
        raise InvalidInput(f"--out: got {out}; need a folder that can be written")
