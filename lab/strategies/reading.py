"""Strategies by what they are called: `Webhook`, or with knobs as in `ShortPoll(interval=0.2)`."""

import ast
from collections.abc import Sequence
from typing import Any

from lab.description import InvalidInput, no_such
from lab.strategies import STRATEGIES, Strategy


def called(text: str, known: Sequence[Strategy] = ()) -> Strategy:
    """Return the strategy of that label: one of `known`, or else a listed one with those knobs.

    Raises `InvalidInput` if there is none, or if a knob is wrong.
    """
    for strategy in known:
        if text == strategy.label:
            return strategy
    name, knobs = _parts(text)
    listed = {cls.__name__: cls for cls in STRATEGIES}
    if name not in listed:
        raise InvalidInput(f"{text}: {no_such(name, list(listed), 'strategy')}")
    return listed[name].read(knobs, text)


def _parts(text: str) -> tuple[str, dict[str, Any]]:
    """Split `Name(knob=value, ...)`; a bare word is a string, as labels show it."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            return node.func.id, {key.arg or "**": _value(key.value) for key in node.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    raise InvalidInput(f"{text}: need a strategy, as Webhook or ShortPoll(interval=0.2)")


def _value(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)
