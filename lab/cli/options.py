"""The options that commands share, and what is made of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from lab import calibration, physics
from lab.description import InvalidInput
from lab.engines import ENGINES
from lab.physics import Calibrated

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, nothing else.")]


def check_engines(chosen: Iterable[str], known: Sequence[str] = ENGINES) -> None:
    """Refuse an engine that is not among those `known`."""
    for engine in chosen:
        if engine not in known:
            raise InvalidInput(f"--engine: got {engine!r}; need one of {', '.join(known)}")


def costs(path: Path | None = None) -> Calibrated:
    """Return the costs in that file, or those of this machine, or else the reference."""
    if path:
        return physics.load(path)
    return calibration.own() or physics.reference()
