"""Taking a batch apart without parsing its events, so that one unreadable event sinks no other."""

from __future__ import annotations

import re

from sightline.errors import BadInput

MARK = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
"""Strings and brackets. The possessive quantifier keeps it linear when a string never ends."""
EVENTS_KEY = b'"events"'
DEEPEST = 150_000
"""Brackets open at a time. More is made to take long, and no event of it could be taken."""


def split_batch(body: bytes) -> tuple[bytes, list[bytes]]:
    """The batch with its events emptied, and the raw bytes of each event.

    Works without recursion, so depth costs nothing. Raises BadInput when there is no list of events to find.
    """
    start, end, events = None, None, []
    depth, item = 0, 0
    previous = b""
    for mark in MARK.finditer(body):
        found = mark.group()
        if start is None:
            if found == b"[" and depth == 1 and previous == EVENTS_KEY:
                start = item = mark.end()
        elif depth == 2 and found in {b",", b"]"}:  # noqa: PLR2004 - inside the batch object, inside its list
            if body[item : mark.start()].strip():
                events.append(body[item : mark.start()])
            item = mark.end()
            if found == b"]":
                end = mark.start()
                break
        if depth > DEEPEST:
            break
        depth += (found in {b"[", b"{"}) - (found in {b"]", b"}"})
        if found != b",":
            previous = found
    if start is None or end is None:
        raise BadInput(
            "the body is not a JSON object with a list `events`; check its brackets", code="malformed_json"
        )
    return body[:start] + body[end:], events
