"""What all descriptions share: frozen, validated values that read from and write to JSON and TOML.

A wrong value raises `InvalidInput`, whose text is one line: `where: path.to.field: got X; need Y`.
"""

import difflib
import math
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

LONGEST = 1e9  # seconds; simulation counts nanoseconds in 64 bits
LARGEST = 2**53  # what every reader of JSON takes for a whole number


class InvalidInput(ValueError):
    """Input that the lab cannot use; the text is one line for the user."""


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("need a finite number")
    return value


Number = Annotated[float, Field(strict=True), AfterValidator(_finite)]
Seconds = Annotated[Number, Field(ge=0, le=LONGEST)]
PositiveSeconds = Annotated[Number, Field(gt=0, le=LONGEST)]
Rate = Annotated[Number, Field(gt=0)]
Count = Annotated[int, Field(strict=True, ge=1, le=LARGEST)]
Natural = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]


class Description(BaseModel):
    """A frozen description; unknown keys and values out of range are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    @classmethod
    def read(cls, data: Any, where: str) -> Self:
        """Return the description held by plain `data`, or raise `InvalidInput` naming `where`."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InvalidInput(explain(error, where, cls)) from None

    def changes(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, for labels."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in self
            if value != fields[name].get_default() and name != "kind"
        }


SHORTER = {  # what pydantic says, and what the lab says
    "Value error, ": "",
    "need ": "",
    "Input should be a valid dictionary or object to extract fields from": "an object of fields",
    "Input should be a valid integer": "a whole number",
    "Input should be a valid ": "a ",
    "List should have ": "",
    " after validation": "",
    "Input should be ": "",
}


def explain(error: ValidationError, where: str, model: type[BaseModel] | None = None) -> str:
    """Return the first of `error`'s complaints as one line."""
    first = error.errors(include_url=False)[0]
    path = _path(first["loc"], _tags(model))
    got = _brief(first["input"])
    if first["type"] == "union_tag_invalid":
        context = first["ctx"]
        return f"{where}: {path}.kind: got '{context['tag']}'; need {context['expected_tags']}"
    if first["type"] == "union_tag_not_found":
        return f"{where}: {path}.kind: missing"
    if first["type"] == "extra_forbidden":
        known = _known_fields(model, first["loc"])
        return f"{where}: {path}: {no_such(str(first['loc'][-1]), known)}"
    if first["type"] == "missing":
        return f"{where}: {path}: missing"
    need = first["msg"]
    for words, shorter in SHORTER.items():
        need = need.replace(words, shorter)
    if first["type"] == "value_error" and isinstance(first["input"], dict | BaseModel):
        got = ""  # several fields do not fit together: the text says which
    whole = f"got {got}; need {need}" if got and path else f"need {need}"
    return ": ".join(part for part in (where, path, whole) if part)


def _path(location: tuple[int | str, ...], tags: set[str]) -> str:
    """Return where `location` points, without the steps that only choose a kind."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and part not in tags:
            path += f".{part}" if path else part
    return path


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def no_such(name: str, known: list[str], what: str = "key") -> str:
    """Say that there is no key of that name, and which was meant or which there are."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"no such {what}; did you mean '{near[0]}'?"
    return f"no such {what}; known are {', '.join(known)}" if known else f"no such {what}"


def _known_fields(model: type[BaseModel] | None, location: tuple[int | str, ...]) -> list[str]:
    """Return the field names that would be known at `location`, as far as the types tell."""
    models: list[Any] = [model] if model else []
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        step = [m for m in models if part == _tag(m)]
        models = step or [
            inner
            for m in models
            if part in m.model_fields
            for inner in _models_in(m.model_fields[part].annotation)
        ]
    return sorted({name for m in models for name in m.model_fields} - {"kind", "version"})


def _tags(model: type[BaseModel] | None) -> set[str]:
    """Return the tags of all kinds of description that can stand anywhere inside `model`."""
    if model is None:
        return set()
    inner = {m for f in model.model_fields.values() for m in _models_in(f.annotation)}
    return {_tag(model), *(tag for m in inner for tag in _tags(m))} - {""}


def _tag(model: type[BaseModel]) -> str:
    kind = model.model_fields.get("kind")
    return kind.default if kind is not None else ""


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    parts = (*getattr(annotation, "__args__", ()), *getattr(annotation, "__metadata__", ()))
    return [m for inner in parts for m in _models_in(inner)]
