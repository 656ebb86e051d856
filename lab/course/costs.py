"""Where lesson 11 gets its calibration from: measured now, made before, or the reference."""

import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

from lab import calibration
from lab.description import InvalidInput
from lab.physics import Calibrated, load, read

MOST_DISTURBED = 0.3  # of all runs
SOURCE = "PUSHPULL_COURSE_CALIBRATION"  # in the environment: a file, "before" or "reference"


def costs(source: str = "now") -> Calibrated:
    """Return the costs of this machine, and say where they are from and how good they are.

    `source` is "now" (a minute of measuring, kept for "before"), "before" (the last one of this
    lesson, or that of `pushpull calibrate`), "reference" (the one that is shipped) or a file. The
    environment variable `PUSHPULL_COURSE_CALIBRATION` has the last word: a class, or a check of all
    notebooks, need not measure again. Raises `InvalidInput` for a file that is none.
    """
    source = os.environ.get(SOURCE) or source
    if source == "now":
        data = calibration.calibrate(quick=True)
        calibration.save(data, kept())
        return _told(read(data, "calibration"), data, "measured now")
    path = _path(source)
    if path is None:
        with resources.as_file(resources.files("lab") / "reference_calibration.json") as shipped:
            return _told(load(shipped), _contents(shipped), "the reference, of another machine")
    return _told(load(path), _contents(path), f"made before, {path}")


def kept() -> Path:
    """Return where the calibration of this lesson is kept."""
    return calibration.own_path().with_name("lesson_11.json")


def _path(source: str) -> Path | None:
    """Return the file of that source; None for the reference."""
    if source == "reference":
        return None
    if source != "before":
        return Path(source)
    for path in (kept(), calibration.own_path()):
        if path.is_file():
            return path
    raise InvalidInput(
        'there is no calibration made before: use costs("now") or costs("reference")'
    )


def _contents(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _told(found: Calibrated, data: dict[str, Any], whence: str) -> Calibrated:
    print(f"Calibration: {whence}; {found.manifest.get('date', 'undated')}.")
    for line in calibration.described(data):
        print(line)
    runs = found.manifest.get("runs", ())
    if found.manifest.get("disturbed", 0) > MOST_DISTURBED * len(runs):
        print("So this is the calibration of a busy machine: end what else runs, and do it again.")
    return found
