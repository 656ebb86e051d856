"""The arrows between the modules of the lab point one way: read from their imports, and tried out."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import lab

ROOT = Path(lab.__file__).parent
OUTSIDE = {"scenarios", "tests", "benchmarks", "notebooks"}
SOCKETS = {"aiohttp", "websockets", "socket", "asyncio", "http", "urllib", "ssl", "select"}


def files(folder: str = "") -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, folder
    return found


def imports(path: Path, lazy: bool = True) -> set[str]:
    """Return the modules that a file imports; without `lazy` only those it imports when loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {name for node in _nodes(tree, lazy) for name in _names(node)}


def _nodes(node: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if types or (deferred and not lazy):
            continue
        yield child
        yield from _nodes(child, lazy)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.module and not node.level, "relative imports are not used here"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if module_file(inner) else node.module


def module_file(name: str) -> Path | None:
    """Return the file of a module of the lab."""
    base = ROOT.parent / Path(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def inside(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def ours(folder: str) -> set[str]:
    """Return all modules of the lab that the files in `folder` import."""
    return {name for path in files(folder) for name in imports(path) if inside(name, "lab")}


def test_messages_import_nothing_of_the_lab() -> None:
    assert not {name for name in imports(ROOT / "messages.py") if inside(name, "lab")}


def test_roles_import_only_messages_and_roles() -> None:
    assert not {n for n in ours("roles") if not inside(n, "lab.messages", "lab.roles")}


@pytest.mark.parametrize("word", ["time", "random", "asyncio", "simpy", "numpy", "socket"])
def test_roles_know_no_clock_chance_or_engine(word: str) -> None:
    assert not [path for path in files("roles") for n in imports(path) if inside(n, word)]


@pytest.mark.parametrize("above", ["engines", "scenario", "workload", "trace", "compare", "cli"])
def test_strategies_import_nothing_above_them(above: str) -> None:
    assert not {name for name in ours("strategies") if inside(name, f"lab.{above}")}


def test_engines_do_not_import_each_other() -> None:
    assert not {n for n in ours("engines/simulation") if inside(n, "lab.engines.loopback")}
    assert not {n for n in ours("engines/loopback") if inside(n, "lab.engines.simulation")}


@pytest.mark.parametrize("above", ["metrics", "outcomes", "plots", "report", "compare", "cli"])
def test_engines_import_nothing_above_them(above: str) -> None:
    assert not {name for name in ours("engines") if inside(name, f"lab.{above}")}


def test_the_feed_is_above_what_it_is_built_of() -> None:
    may = {"feed", "claims", "cli"}
    below = [path for path in files() if path.relative_to(ROOT).parts[0] not in may]
    assert not [path for path in below for n in imports(path) if inside(n, "lab.feed")]
    others = {n for n in ours("feed") if not inside(n, "lab.feed")}
    assert "lab.roles" in others and "lab.engines.loopback.actor" in others
    assert not {n for n in others if inside(n, "lab.compare", "lab.cli", "lab.trace", "lab.claims")}


def test_simulation_imports_no_socket_library() -> None:
    names = {n for path in files("engines/simulation") for n in imports(path)}
    assert not {name for name in names if name.partition(".")[0] in SOCKETS}


@pytest.mark.parametrize("package", ["metrics.py", "outcomes", "plots", "report", "trace.py"])
def test_what_reads_traces_knows_no_engine(package: str) -> None:
    paths = files(package) if (ROOT / package).is_dir() else [ROOT / package]
    assert not [path for path in paths for n in imports(path) if inside(n, "lab.engines")]


def test_nothing_in_the_lab_imports_what_uses_it() -> None:
    used = {path: imports(path) for path in files()}
    assert not [p for p, names in used.items() if {n.partition(".")[0] for n in names} & OUTSIDE]
    named = [p.name for p in used if 'find_spec("scenarios")' in p.read_text(encoding="utf-8")]
    assert named == ["library.py"]


def test_modules_do_not_import_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for path in files():
        if path == ROOT / "__init__.py":  # the public face imports everything
            continue
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        name = name.removesuffix(".__init__")
        graph[name] = {n for n in imports(path, lazy=False) if inside(n, "lab")} - {name, "lab"}
    assert "lab.roles.push" in graph["lab.roles"]
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_rooms_do_not_import_in_circles_even_lazily() -> None:
    graph: dict[str, set[str]] = {}
    for path in files():
        if path == ROOT / "__init__.py":  # the public face imports everything
            continue
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        others = {n.split(".")[1] for n in imports(path) if inside(n, "lab") and n != "lab"}
        graph.setdefault(room, set()).update(others - {room})
    assert "outcomes" in graph["report"]
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_the_test_sees_lazy_imports_and_submodules() -> None:
    assert "lab.engines.loopback" in imports(ROOT / "compare.py")
    assert "lab.engines.loopback" not in imports(ROOT / "compare.py", lazy=False)
    assert "lab.outcomes.checks" in imports(ROOT / "compare.py", lazy=False)


PROGRAM = """
import sys
from lab import Periodic, LongPoll, Scenario, Workload, compare
scenario = Scenario(
    workload=Workload(arrivals=Periodic(rate=10), duration=1), strategies=[LongPoll()], replications=1
)
assert len(compare(scenario, engines=["theory", "simulation"]).runs[0].traces[0]) == 10
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"aiohttp", "websockets", "matplotlib"}))
"""


def test_simulating_loads_no_socket_library() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.split() == []
