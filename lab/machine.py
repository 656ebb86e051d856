"""What this machine is called in manifests, what tells two apart, and when it was too busy."""

import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.engines import common

MOST_STOLEN = 0.01  # of the cores' time, by the host
MOST_OTHER = 0.05  # of the cores' time, by other processes


def name() -> str:
    """Return system, architecture, cores and processor, as "Linux x86_64, 2 cores, AMD EPYC"."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {_processor()}"


def differences(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield in which ways a calibration is not of the machine and the software at hand."""
    made, here = manifest.get("machine"), name()
    if made != here:
        yield f"calibrated on another machine ({made or 'not named'}; this is {here})"
    versions = manifest.get("versions") or {}
    others = [
        f"{package} {versions.get(package, 'unknown')}, here {version}"
        for package, version in common.versions().items()
        if versions.get(package) != version
    ]
    if others:
        yield f"calibrated with other versions: {'; '.join(others)}"


def disturbed(background: Mapping[str, float] | None) -> bool:
    """Say whether too much else went on during a run; unknown counts as calm.

    The limits are fixed: 1 % of the cores' time stolen by the host, 5 % used by other processes. One
    stolen tick of the clock is none: a short run, of which that is more, would be held to another rule.
    """
    if background is None:
        return False
    stolen = max(MOST_STOLEN, background.get("tick", 0.0))
    return background["stolen"] > stolen or background["other"] > MOST_OTHER


def lost(background: Mapping[str, float] | None) -> float:
    """Return the share of the cores' time that went to others than a run; unknown counts as none."""
    return background["stolen"] + background["other"] if background else 0.0


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "processor unknown"
