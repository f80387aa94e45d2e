"""The event types known from the start, and the check of what each says. Others are stored and counted.

- `event_types_schemas`  one schema a type: the fields of its `data`
- `event_types_rows`     one row a type: meaning, example, what it makes visible
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import inspect

from sightline.ingest.event_types_rows import ROWS, EventType

EVENT_CATALOG_VERSION = "2026.1"
"""Raised with every change of a schema; within v1 of the contract types and optional fields are only added."""

CATALOG: Mapping[str, EventType] = MappingProxyType({row.name: row for row in ROWS})
"""All rows by event type, in the order of the documentation."""

KNOWN_TYPES = frozenset(CATALOG)

_schemas = {row.name: row.schema for row in ROWS}
_PLACE = re.compile(r" - at `\$\.(\w+)(.*)`$")
_WORDS: Mapping[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.StrType: "a text",
    inspect.FloatType: "a number",
    inspect.AnyType: "anything",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a type's `data`: what it may be in plain words, its unit, and the words that a rule reads."""

    name: str
    kind: str
    meaning: str
    required: bool
    unit: str | None
    words: tuple[str, ...]


def check_data(event_type: str, data: dict[str, Any]) -> tuple[str, str, str] | None:
    """Code, JSON pointer inside the event and what to do, for data that its type's schema refuses; else None.

    A type that is not known has no schema and refuses nothing. Measured at 0.5 microseconds for data without
    fault: it stands on the way of every event.
    """
    schema = _schemas.get(event_type)
    if schema is None:
        return None
    try:
        msgspec.convert(data, schema)
    except msgspec.ValidationError as problem:
        return _refusal(event_type, data, str(problem))
    return None


def fields_of(row: EventType) -> tuple[Field, ...]:
    """The declared fields of a type, in the order of its schema."""
    described = inspect.type_info(row.schema)
    if not isinstance(described, inspect.StructType):
        raise TypeError(f"{row.name} is described by no struct")
    return tuple(_field(one) for one in described.fields)


def json_schema(row: EventType) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type's `data`; keys that it does not name are allowed."""
    name = row.schema.__name__
    own: dict[str, Any] = msgspec.json.schema(row.schema)["$defs"][name]
    return own | {"title": row.name}


def _field(described: inspect.Field) -> Field:
    metadata = described.type
    said: dict[str, Any] = {}
    while isinstance(metadata, inspect.Metadata):
        said |= metadata.extra_json_schema or {}
        metadata = metadata.type
    words = tuple(said.get("x-words", ()))
    kind = _kind(metadata)
    return Field(
        name=described.name,
        kind=f"one of the words {', '.join(words)}" if words else kind,
        meaning=said["description"],
        required=described.required,
        unit=said.get("x-unit"),
        words=words,
    )


def _kind(described: inspect.Type) -> str:
    if isinstance(described, inspect.Metadata):
        return _kind(described.type)
    if isinstance(described, inspect.FloatType) and described.ge == 0:
        return "a number, 0 or more"
    if not isinstance(described, inspect.UnionType):
        return _WORDS[type(described)]
    choices = [one for one in described.types if not isinstance(one, inspect.NoneType)]
    if len(choices) == 1:
        return _kind(choices[0])
    several = any(isinstance(one, inspect.ListType) for one in choices)
    return "a text, a number, or true or false" + ("; or a list of these" if several else "")


def _refusal(event_type: str, data: Mapping[str, Any], message: str) -> tuple[str, str, str]:
    fields = {one.name: one for one in fields_of(CATALOG[event_type])}
    for one in fields.values():
        if one.required and data.get(one.name) is None:
            detail = f"{event_type} says nothing without {one.name} ({one.meaning}): {_mend(one)}"
            return "missing_field", f"/data/{one.name}", detail
    place = _PLACE.search(message)
    if place is None:
        return "invalid_data", "/data", f"the data of {event_type} cannot be read: {message}; mend it"
    one = fields[place[1]]
    pointer = f"/data/{one.name}" + re.sub(r"\[(\d+)\]", r"/\1", place[2])
    return "invalid_data", pointer, f"{one.name} of {event_type} ({one.meaning}) cannot be this: {_mend(one)}"


def _mend(one: Field) -> str:
    quotes = ", without quotes" if one.kind == _WORDS[inspect.BoolType] else ""
    return f"send {one.kind}{quotes}" + ("" if one.required else "; or leave it out")
