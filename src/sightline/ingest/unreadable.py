"""Why something could not be decoded: a stable code, a JSON pointer, and what to do."""

from __future__ import annotations

import json
import re

import msgspec

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What a decoder raises for text that is not what it should be."""

_PATH = re.compile(r" - at `\$(.*)`$")
_CODES = (
    ("Invalid UUID", "invalid_uuid", "use a UUID in its usual form with hyphens"),
    ("timezone component", "naive_time", "add an offset, such as Z or +01:00"),
    ("Invalid RFC3339", "invalid_time", "use RFC 3339, such as 2026-03-01T09:30:00Z"),
    ("missing required field", "missing_field", "send it"),
    ("matching regex", "invalid_name", "use lower-case letters, digits and underscores, 100 at most"),
    ("length", "invalid_length", "keep to the length that the contract states"),
    ("Number out of range", "number_out_of_range", "send a number that a double can hold"),
    ("Integer value out of range", "number_out_of_range", "send a number of 4,300 digits at most"),
)


def why(raw: bytes, problem: Exception, *, deepest: int) -> tuple[str, str, str]:
    """Code, pointer and detail of an event that could not be decoded; `deepest` is the depth that is allowed."""
    if isinstance(problem, RecursionError):
        return "too_deep", "", f"the event is nested deeper than {deepest} levels"
    if isinstance(problem, msgspec.ValidationError):
        return explained(problem)
    unusual: list[str] = []
    try:
        json.loads(raw, parse_constant=unusual.append)
    except RecursionError:
        return "too_deep", "", f"the event is nested deeper than {deepest} levels"
    except ValueError:
        return "malformed_json", "", "the event is not valid JSON"
    if unusual:
        return "not_a_number", "", "JSON knows no NaN and no Infinity; leave the key out or send null"
    return "malformed_text", "", "the event has text that is not valid Unicode"


def explained(problem: Exception) -> tuple[str, str, str]:
    """Code, pointer and detail of a decoding problem, from its message."""
    message = str(problem)
    where = _PATH.search(message)
    pointer = (
        ""
        if where is None
        else re.sub(r"\[(\d+|\.\.\.)\]", r"/\1", where[1]).replace(".", "/").replace("////", "")
    )
    for sign, code, mend in _CODES:
        if sign in message:
            field = re.search(r"missing required field `(\w+)`", message)
            if field is not None:
                pointer = f"{pointer}/{field[1]}"
            return code, pointer, f"{pointer or 'the event'}: {mend}"
    if isinstance(problem, msgspec.ValidationError):
        return "invalid_type", pointer, _PATH.sub("", message)
    return "malformed_json", pointer, "it is not valid JSON"


def stated_id(raw: bytes) -> str | None:
    """The event's id as its sender wrote it, as far as it can be read."""
    found = re.search(rb'"event_id"\s*:\s*"([^"\\]{1,100})"', raw)
    return None if found is None else found[1].decode("ascii", "replace").replace("\x00", "")
