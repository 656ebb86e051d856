"""Transcripts: text in which a role's protocol can be read, and by which it is tested.

    0.100 <- Publish(messages=[0])            a message goes in
    0.100 -> Deliver(offset=0, messages=[0])  one comes out
    0.600 wake                                the engine wakes the role, because it wanted to be
    0.700 end                                 wakes that are due by now have happened

Fields that have their default, and `consumer=0`, are left out. `check` plays the lines with `<-` and
`end` and compares all that happens with the whole text. A line with `..` says that `accepting`
changed. Where a test fails, it shows the transcript that the role gave: read it before you paste it.
"""

import ast
from collections.abc import Iterator, Sequence
from textwrap import dedent
from typing import Any

from lab import messages
from lab.messages import Message, Role

MOST_LINES = 200


def check(role: Role, text: str) -> None:
    """Assert that `role` answers as `text` says."""
    expected = [line.strip() for line in dedent(text).strip().splitlines()]
    actual = list(play(role, expected))
    assert actual == expected, "the role gave\n" + "\n".join(actual)


def play(role: Role, lines: Sequence[str]) -> Iterator[str]:
    """Yield the transcript of `role` when it is given the inputs among `lines`."""
    for line in lines:
        at, what, *rest = line.split(maxsplit=2)
        if what not in ("<-", "end"):
            continue
        now = float(at)
        yield from _wakes(role, now)
        yield line
        if what == "<-":
            yield from _step(role, now, read(rest[0]))


def _wakes(role: Role, until: float) -> Iterator[str]:
    for _ in range(MOST_LINES):
        if role.wake_at > until:
            return
        yield f"{role.wake_at:.3f} wake"
        yield from _step(role, role.wake_at, None)
    raise AssertionError(f"the role wants to be woken forever at {role.wake_at}")


def _step(role: Role, now: float, message: Message | None) -> Iterator[str]:
    accepting = getattr(role, "accepting", None)
    outputs = role.wake(now) if message is None else role.receive(message, now)
    for output in outputs:
        yield f"{now:.3f} -> {show(output)}"
    if getattr(role, "accepting", None) != accepting:
        yield f"{now:.3f} .. accepting={not accepting}"


def read(text: str) -> Message:
    """Return the message that `text`, as written by `show`, stands for."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    kind = getattr(messages, call.func.id)
    values = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    if "consumer" in kind._fields:
        values.setdefault("consumer", 0)
    message: Message = kind(**values)
    return message


def show(message: Message) -> str:
    """Return `message` as text, without the fields that have their default."""
    plain = {name: _plain(value) for name, value in message._asdict().items()}
    usual = {name: _plain(value) for name, value in message._field_defaults.items()}
    usual = {"consumer": 0, **usual}
    told = [f"{k}={v!r}" for k, v in plain.items() if k not in usual or v != usual[k]]
    return f"{type(message).__name__}({', '.join(told)})"


def _plain(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return int(value) if hasattr(value, "__index__") and not isinstance(value, bool) else value
