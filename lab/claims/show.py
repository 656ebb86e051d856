"""How a ledger is shown: on a terminal, as a short Markdown table, and as a page with all figures."""

import math
from collections.abc import Iterator
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from lab.claims.base import FIRST, Amount
from lab.claims.ledger import DISAGREE, UNTESTED, Entry, Ledger
from lab.files import whole_file
from lab.gallery.page import png
from lab.metrics import Interval
from lab.plots.style import unit_for
from lab.report.markdown import escape
from lab.show import ENGINES, UNKNOWN, number

LOOKS = {"supported": "green", "refuted": "red", "depends": "yellow", DISAGREE: "bold magenta"}


def amount_text(interval: Interval, unit: str) -> str:
    """Return an amount with its unit and, where known, its interval: 1.5 ms (1.2 to 1.8)."""
    if math.isnan(interval.mean):
        return UNKNOWN
    scale = 1.0
    if unit == "s":
        scale, unit = unit_for(abs(interval.mean))
    text = f"{number(interval.mean * scale)} {unit}".rstrip()
    low, high = (number(bound * scale) for bound in (interval.low, interval.high))
    return text if math.isnan(interval.low) or low == high else f"{text} ({low} to {high})"


def rows(entry: Entry, most: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each amount and its text on each engine of the entry, those that decide first.

    The order is that of the first engine which can tell.
    """
    named: dict[str, dict[str, Amount]] = {}
    tell = sorted(entry.findings.items(), key=lambda found: found[1].verdict == UNTESTED)
    for engine, finding in tell:
        for amount in finding.amounts:
            named.setdefault(amount.name, {})[engine] = amount
    for name in list(named)[:most]:
        found = [named[name].get(engine) for engine in entry.findings]
        yield name, [amount_text(a.value, a.unit) if a else UNKNOWN for a in found]


def terminal(screen: Console, ledger: Ledger, folder: Path) -> None:
    """Print a ledger whose figures are in `folder`."""
    for entry in ledger.entries:
        claim = entry.claim
        screen.print(f"{claim.number}. {claim.text}", style="bold", highlight=False, markup=False)
        look = LOOKS.get(entry.verdict, "")
        screen.print(f"   {entry.verdict.upper()}", style=look, highlight=False)
        for engine, finding in entry.findings.items():
            text = f"{ENGINES[engine]}: {finding.verdict}: {finding.reason}."
            screen.print(Padding(text, (0, 0, 0, 3)), highlight=False, markup=False)
        screen.print(Padding(_grid(entry), (0, 0, 0, 2)))
        if entry.figure:
            text = f"   figure: {folder / entry.figure}\n"
            screen.print(text, highlight=False, markup=False, soft_wrap=True)
    for note in ledger.notes:
        screen.print(f"Note: {note}.", highlight=False, markup=False)
    for violation in ledger.violations:
        screen.print(f"Broken: {violation}", style="bold red", highlight=False, markup=False)


def _grid(entry: Entry) -> Table:
    grid = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("deciding figure")
    for engine in entry.findings:
        grid.add_column(ENGINES[engine], justify="right")
    for name, texts in rows(entry):
        grid.add_row(name, *texts)
    return grid


def markdown(ledger: Ledger, folder: str = "docs/claims") -> Iterator[str]:
    """Yield the lines of the short ledger: a table whose figures are in `folder`."""
    engines = " / ".join(ENGINES[e] for e in ledger.entries[0].findings) if ledger.entries else ""
    yield f"| | claim | verdict | deciding figures: {engines} |"
    yield "|--:|---|---|---|"
    for entry in ledger.entries:
        claim = entry.claim
        link = f"[{escape(claim.text)}]({folder}/{entry.figure})" if entry.figure else claim.text
        lines = [
            f"{escape(name)}: {' / '.join(map(escape, texts))}"
            for name, texts in rows(entry, FIRST)
        ]
        yield f"| {claim.number} | {link} | {_verdict(entry)} | {'<br>'.join(lines)} |"


def _verdict(entry: Entry) -> str:
    """Return the verdict, and that of each engine where they do not say the same."""
    verdicts = {ENGINES[e]: f.verdict for e, f in entry.findings.items()}
    if len(set(verdicts.values())) <= 1:
        return f"**{entry.verdict}**"
    each = "; ".join(f"{engine}: {verdict}" for engine, verdict in verdicts.items())
    return f"**{entry.verdict}** ({each})"


def page(ledger: Ledger) -> Iterator[str]:
    """Yield the blocks of a page with every claim, criterion, reason, amount and figure."""
    yield "# The claims of the chapter, tested"
    yield (
        "Written by `pushpull claims`. A verdict is computed from the runs by the criterion that stands"
        " above it. Amounts are means over replications with their 95 % intervals; ratios are geometric"
        " means over replications that had the same messages."
    )
    yield "\n".join(f"- {escape(text)}." for text in ledger.notes)
    for entry in ledger.entries:
        yield from _section(entry)
    yield from (f"Broken: {escape(text)}" for text in ledger.violations)


def _section(entry: Entry) -> Iterator[str]:
    claim = entry.claim
    yield f"## {claim.number}. {escape(claim.text)}"
    yield f"In the chapter: {escape(claim.chapter)}"
    yield f"**Experiment.** {escape(claim.experiment)}"
    yield f"**Criterion.** {escape(claim.criterion)}"
    yield f"**Verdict: {entry.verdict}.**"
    yield "\n".join(
        f"- {ENGINES[engine]}: {finding.verdict}: {escape(finding.reason)}."
        for engine, finding in entry.findings.items()
    )
    heads = [ENGINES[engine] for engine in entry.findings]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    lines += [f"| {escape(name)} | {' | '.join(map(escape, t))} |" for name, t in rows(entry)]
    yield "\n".join(lines)
    if entry.figure:
        yield f"![{escape(claim.text)}]({entry.figure})"


def save(ledger: Ledger, folder: Path) -> Ledger:
    """Write the figures and `ledger.md` into `folder`; return the ledger with its figures' names."""
    entries = []
    for entry in ledger.entries:
        name = f"{entry.claim.name}.png"
        _write(folder / name, png(entry.claim.draw(entry.findings)))
        entries.append(Entry(entry.claim, entry.findings, name))
    done = Ledger(entries, ledger.notes, ledger.violations)
    _write(folder / "ledger.md", ("\n\n".join(filter(None, page(done))) + "\n").encode())
    return done


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as file:
        file.write(content)
