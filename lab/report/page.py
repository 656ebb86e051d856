"""What a report says, before it is put into Markdown or HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lab.metrics import Result

LEGEND = (
    "Latency runs from the intended creation of a message to the end of the work on it, over the"
    " messages created after warm-up and delivered. ± is half of the 95 % interval (Student) over"
    " replications; quantiles interpolate linearly. Requests, bytes and CPU time are those of"
    " the whole run, for each message and consumer. – is unknown."
)


@dataclass(frozen=True)
class Picture:
    """A figure as PNG; `name` is that of its file, without the ending, `topic` what it is about."""

    name: str
    topic: str
    caption: str
    png: bytes


class Grid(NamedTuple):
    """A further table of plain text; `numbers` are the columns that hold numbers."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int]


@dataclass(frozen=True)
class Page:
    """A report: its table comes from `results`; `notes` are single paragraphs of plain text."""

    title: str
    question: str
    results: Sequence[Result]
    notes: Sequence[str]
    pictures: Sequence[Picture]
    grids: Sequence[Grid] = ()

    @property
    def paragraphs(self) -> list[str]:
        """The question, paragraph by paragraph."""
        parts = (" ".join(part.split()) for part in self.question.split("\n\n"))
        return [part for part in parts if part]
