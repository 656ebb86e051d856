"""Finding scenarios: by a name in `scenarios/`, or from a script, a TOML or a JSON file."""

import importlib.util
import json
import os
import sys
import tomllib
import traceback
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lab.description import InvalidInput, explain
from lab.scenario import Scenario

DEFAULT = "price_feed"
LARGEST_FILE = 1_000_000  # bytes


def folder() -> Path:
    """Return the folder of the scenarios that come with the lab."""
    package = importlib.util.find_spec("scenarios")
    assert package is not None and package.submodule_search_locations
    return Path(next(iter(package.submodule_search_locations)))


def names() -> list[str]:
    """Return the names of the scenarios that come with the lab, the default first."""
    found = sorted(path.stem for path in folder().glob("[a-z]*.py"))
    return sorted(found, key=lambda name: name != DEFAULT)


def find(scenario: str) -> Scenario:
    """Return the scenario of that name or in that file; raises `InvalidInput`."""
    if scenario in names():
        return _from_script(folder() / f"{scenario}.py")
    path = Path(scenario)
    if path.suffix not in (".py", ".toml", ".json"):
        known = ", ".join(names())
        raise InvalidInput(
            f"{scenario}: no such scenario; there are {known}, and .py, .toml, .json files"
        )
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        raise InvalidInput(f"{scenario}: not a file that can be read")
    if path.suffix == ".py":
        return _from_script(path)
    return Scenario.read({"name": _name(path), **_data(path)}, str(path))


def _from_script(path: Path) -> Scenario:
    scenario = _run_script(path).get("scenario")
    if not isinstance(scenario, Scenario):
        raise InvalidInput(f"{path}: scenario: missing; need scenario = Scenario(...)")
    return named(scenario, path)


def named(scenario: Scenario, path: Path) -> Scenario:
    """Return `scenario` with the name of its file, unless it has been given one."""
    if "name" in scenario.model_fields_set:
        return scenario
    return scenario.model_copy(update={"name": _name(path)})


def _run_script(path: Path) -> dict[str, Any]:
    """Return what a script defines, by name."""
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ValidationError as error:
        raise InvalidInput(explain(error, _place(error, path))) from error
    except InvalidInput as error:
        raise InvalidInput(f"{_place(error, path)}: {error}") from error
    except (Exception, SystemExit) as error:
        text = f"{_place(error, path)}: {type(error).__name__}: {error}"
        raise InvalidInput(text) from error
    return vars(module)


def _module_name(path: Path) -> str:
    """Return a name by which other processes, which share `sys.path`, find a script's classes.

    A script that is called like a module that exists keeps its classes to this process.
    """
    parent = str(path.parent.resolve())
    if parent not in sys.path:
        sys.path.append(parent)
    usual = path.stem.isidentifier() and not path.stem.startswith("_")
    spec = importlib.util.find_spec(path.stem) if usual else None
    found = spec is not None and spec.origin == str(path.resolve())
    return path.stem if found else f"scenarios.{path.stem}"


def _place(error: BaseException, path: Path) -> str:
    """Return the script and the line of it in which `error` was raised."""
    calls = traceback.extract_tb(error.__traceback__)
    lines = [call.lineno for call in calls if Path(call.filename).resolve() == path.resolve()]
    return f"{path}: line {lines[-1]}" if lines else str(path)


def _name(path: Path) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in path.stem)[:60]


def _data(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise InvalidInput(f"{path}: larger than {LARGEST_FILE} bytes")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise InvalidInput(f"{path}: begins with a byte-order mark; need plain UTF-8")
    try:
        text = raw.decode("utf-8")
        if path.suffix == ".toml":
            data = tomllib.loads(text)
        else:
            data = json.loads(text, object_pairs_hook=_unique)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: {error}") from None
    if not isinstance(data, dict):
        raise InvalidInput(f"{path}: need an object of fields")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise InvalidInput(f"{twice}: stands twice")
    return data
