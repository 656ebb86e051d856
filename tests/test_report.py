"""The report: the table says everything; the page needs nothing else and trusts no text."""

import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from builders import trace, undelivered
from rich.console import Console

from lab.compare import disturbance
from lab.files import whole_file
from lab.metrics import Interval, Result, Run, summarise_run
from lab.report.document import write
from lab.report.table import fates, notes, table

CREATED = np.arange(200) / 100
LONG = "WebSocketPush(acks=True, credits=10, buffer=50)"
EVIL = "<script>alert('x')</script> | `b` [c](http://evil.example) _d_"


def make_runs() -> list[Run]:
    latency = [0.010, 0.012, 0.014]
    whole = [trace(CREATED, seconds) for seconds in latency]
    dropped = [undelivered(one, 3, 4) for one in whole]
    return [
        Run("LongPoll", "simulation", whole),
        Run("LongPoll", "loopback", whole),
        Run(LONG, "simulation", dropped),
        Run(LONG, "loopback", dropped),
    ]


def make_results() -> list[Result]:
    results = [summarise_run(run) for run in make_runs()]
    return [
        *results[:2],
        Result("LongPoll", "theory", latency={"mean": Interval(0.0115)}),
        *results[2:],
    ]


def shown(results: list[Result], width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(table(results, width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "new"
    payload = {"results": [r.to_json() for r in make_results()], "nan": [math.nan, math.inf]}
    write(path, EVIL, f"One?\n\nTwo\n{EVIL}", make_results(), make_runs(), [EVIL], payload)
    return path


def test_table_has_a_row_for_each_result_in_milliseconds():
    lines = shown(make_results(), 120).splitlines()
    [simulated] = [line for line in lines if line.startswith("LongPoll")]
    assert simulated.split()[:4] == ["LongPoll", "simulated", "12.0", "±5.0"]
    assert simulated.rstrip().endswith("all 600")
    [theory] = [line for line in lines if "theory" in line]
    assert theory.split() == ["theory", "11.5", *["–"] * 7]


@pytest.mark.parametrize("width", [100, 120])
def test_table_fits_its_terminal_without_losing_anything(width: int):
    text = shown(make_results(), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text
    for word in ("±5.0", "594 of 600;", "6 dropped", "acks=True,", "µs/msg"):
        assert word in text, word


def test_table_does_not_read_markup_in_names():
    assert "[red]x[/red]" in shown([Result("[red]x[/red]", "theory")], 120)


def test_fates_are_told_unless_all_were_delivered():
    several = {"delivered": 1200, "dropped": 3, "dead_lettered": 1}
    assert fates(Result("x", "simulation", offered=1200, fates={"delivered": 1200})) == "all 1,200"
    text = fates(Result("x", "simulation", offered=1204, fates=several, duplicates=2))
    assert text == "1,200 of 1,204; 3 dropped; 1 given up; 2 repeated"


def test_disturbed_runs_are_counted_in_a_note():
    runs = make_runs()
    assert not list(disturbance(runs))
    busy = {"background": {"other": 0.5, "stolen": 0.0}}
    first, *others = runs[1].traces
    runs[1].traces[:] = [replace(first, manifest=first.manifest | busy), *others]
    [note] = disturbance(runs)
    assert note.startswith("1 of 6 measured runs")


def test_notes_tell_each_warning_once():
    one, two = (Result("A", e, 1, warnings=("w",)) for e in ("simulation", "loopback"))
    assert notes([one, two, Result("A", "theory")]) == ["All rows: w"]
    other = Result("B", "simulation", 1)
    assert notes([one, two, other]) == ["A, simulated; A, measured: w"]


def test_folder_holds_the_report_and_nothing_else(folder: Path):
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    figures = [f"figures/{n}.png" for n in ("anatomy", "backlog", "cost", "latency", "sequence")]
    assert files == [*figures, "report.html", "report.md", "results.json"]


def test_json_has_null_for_nan(folder: Path):
    data = json.loads((folder / "results.json").read_text(), parse_constant=pytest.fail)
    assert data["nan"] == [None, None]
    assert data["results"][2]["latency"]["p50"] is None


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_fetches_nothing_and_runs_nothing(folder: Path):
    page = (folder / "report.html").read_text()
    reader = Reader()
    reader.feed(page)
    names = {tag for tag, _ in reader.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "a", "form", "base"}
    sources = [attrs[key] for _, attrs in reader.tags for key in ("src", "href") if key in attrs]
    assert sources and all(str(source).startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"url\(|@import", page)
    assert not any(name.startswith("on") for _, attrs in reader.tags for name in attrs)


def test_html_has_a_strict_policy_that_allows_its_own_style(folder: Path):
    page = (folder / "report.html").read_text()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src &#x27;none&#x27;; img-src data:; style-src")
    assert "unsafe" not in policy and "http" not in policy


def test_html_escapes_all_text(folder: Path):
    page = (folder / "report.html").read_text()
    reader = Reader()
    reader.feed(page)
    assert reader.text.count("<script>alert('x')</script>") == 4  # title twice, question, note
    assert "11.5" in reader.text and "594 of 600; 6 dropped" in reader.text


def test_markdown_escapes_all_text_and_links_its_figures(folder: Path):
    text = (folder / "report.md").read_text()
    assert "<script" not in text
    assert r"\| \`b\` \[c\](" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 5
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {11}
    for link in re.findall(r"\]\((figures/[^)]*)\)", text):
        assert (folder / link).read_bytes().startswith(b"\x89PNG")


def test_report_of_theory_alone_has_no_figures_of_runs(tmp_path: Path):
    theory = Result("x", "theory", latency={"p50": Interval(1)}, requests_per_message=Interval(1))
    write(tmp_path, "T", "Q", [theory], [], [], {})
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["cost.png"]


def test_file_is_written_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "a" / "b.txt"
    with whole_file(path) as file:
        file.write(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
