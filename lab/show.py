"""How numbers and names are shown to people, in figures, tables and text alike."""

import math
import textwrap

ENGINES = {"theory": "theory", "simulation": "simulated", "loopback": "measured"}
UNKNOWN = "–"


def number(value: float, digits: int = 3, most: int = 12) -> str:
    """Return `value` with that many significant digits and no exponent: 0.0123, 4.5, 12,345.

    There are at most `most` decimals; with 4, less than 0.0001 is "<0.0001".
    """
    if math.isnan(value):
        return UNKNOWN
    if 0 < value < 10**-most:
        return f"<{10**-most:.{most}f}"
    text = f"{value:,.{min(most, _decimals(value, digits))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_bounds(value: float, half_width: float) -> str:
    """Return `value` with three digits and, if known, its interval as exactly: 4.50 ±0.12."""
    if math.isnan(value):
        return UNKNOWN
    decimals = _decimals(value, 3)
    text = f"{value:,.{decimals}f}"
    if math.isnan(half_width):
        return text
    exact = half_width >= 10**-decimals
    return f"{text} ±{f'{half_width:,.{decimals}f}' if exact else number(half_width, 1)}"


def _decimals(value: float, digits: int) -> int:
    """Return how many decimals `value` has if it is shown with `digits` significant digits."""
    if value == 0 or math.isinf(value):
        return 0
    return max(0, digits - 1 - math.floor(math.log10(abs(value))))


def wrap(label: str, width: int = 26) -> str:
    """Break the label of a strategy into lines, after its name and between its knobs."""
    spaced = label.replace("(", "( ", 1) if len(label) > width else label
    lines = textwrap.wrap(spaced, width, break_long_words=True) or [""]
    return "\n".join(lines).replace("( ", "(")
