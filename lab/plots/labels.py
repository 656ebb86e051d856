"""Names beside points, placed so that they cover neither one another nor the points and lines."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox, BboxBase

from lab.plots import style

DISTANCES = (14, 26, 40, 60, 85, 115, 150)  # points from the anchor, nearest first
DIRECTIONS = 16
CLEARANCE = 8  # points that a label keeps from the middle of any point

Point = tuple[float, float]


class Label(NamedTuple):
    """A text for the point at `anchor`, in data coordinates."""

    text: str
    anchor: Point
    colour: tuple[float, float, float]


def place_labels(axes: Axes, labels: Sequence[Label], lines: Sequence[Sequence[Point]]) -> None:
    """Write each label near its anchor, clear of `lines` and of the others where there is room.

    The scales and limits of `axes` must be final.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # settles the layout
    pixels = figure.dpi / 72
    taken = [box for line in lines for box in _along([_pixel(axes, p) for p in line], pixels)]
    names: list[Bbox] = []
    for label in labels:
        note = _write(axes, label)
        size = note.get_window_extent(canvas.get_renderer())
        anchor = _pixel(axes, label.anchor)
        boxes = list(_boxes(anchor, size.width, size.height, pixels))
        trouble = [
            box.count_overlaps(taken)
            + 20 * box.count_overlaps(names)
            + 20 * sum(part.count_overlaps(names) > 0 for part in _leader(anchor, box))
            + 100 * (not _holds(axes.bbox, box))
            for box in boxes
        ]
        best = boxes[trouble.index(min(trouble))]
        names.append(best)
        taken.extend(_leader(anchor, best))
        x, y = (best.x0 + best.x1) / 2 - anchor[0], (best.y0 + best.y1) / 2 - anchor[1]
        note.set_position((x / pixels, y / pixels))


def _write(axes: Axes, label: Label) -> Annotation:
    return axes.annotate(
        label.text,
        label.anchor,
        xytext=(0, 0),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=style.SMALL + 1,
        color=label.colour,
        arrowprops={"arrowstyle": "-", "color": style.GREY, "linewidth": 0.8, "shrinkB": 6},
        in_layout=False,
    )


def _pixel(axes: Axes, point: Point) -> Point:
    x, y = axes.transData.transform(point)
    return float(x), float(y)


def _around(middle: Point, reach: float) -> Bbox:
    x, y = middle
    return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)


def _boxes(middle: Point, width: float, height: float, pixels: float) -> Iterator[Bbox]:
    """Yield places for a label of that size in pixels around `middle`, the nearest first."""
    for distance in DISTANCES:
        for step in range(DIRECTIONS):
            angle = 2 * math.pi * step / DIRECTIONS
            x = middle[0] + math.cos(angle) * (distance * pixels + width / 2)
            y = middle[1] + math.sin(angle) * (distance * pixels + height / 2)
            yield Bbox.from_bounds(x - width / 2, y - height / 2, width, height)


def _along(line: Sequence[Point], pixels: float) -> Iterator[Bbox]:
    """Yield boxes that cover the ends of a line, with some room, and the way between them."""
    yield from (_around(end, CLEARANCE * pixels) for end in line)
    for start, end in pairwise(line):
        yield from (_around(spot, 1) for spot in _between(start, end, 30))


def _between(start: Point, end: Point, steps: int) -> Iterator[Point]:
    for step in range(1, steps):
        share = step / steps
        yield start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _leader(anchor: Point, box: Bbox) -> list[Bbox]:
    """Return the line from `anchor` to the middle of `box`, up to its edge, as small boxes."""
    middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    return [_around(s, 1) for s in _between(anchor, middle, 12) if not box.contains(*s)]


def _holds(outer: BboxBase, box: Bbox) -> bool:
    return bool(
        box.x0 >= outer.x0 and box.x1 <= outer.x1 and box.y0 >= outer.y0 and box.y1 <= outer.y1
    )
