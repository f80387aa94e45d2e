"""The order of a session's events: the client's sequence is trusted over its clocks."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sightline.domain.records import Event, Session


def session_of(session_id: UUID, student_id: UUID, events: Iterable[Event]) -> Session:
    """A session in order, whatever the order in which its events came.

    Events with a sequence keep that order; one without is placed among them by its corrected time. Equal keys
    fall back on time and then on the id, so that the order is always the same.
    """
    numbered: list[Event] = []
    loose: list[Event] = []
    for event in events:
        (loose if event.sequence is None else numbered).append(event)
    numbered.sort(key=lambda e: (e.sequence, e.occurred_at, e.event_id))
    loose.sort(key=lambda e: (e.occurred_at, e.event_id))
    ordered: list[Event] = []
    waiting = iter(loose)
    nearest = next(waiting, None)
    for event in numbered:
        while nearest is not None and nearest.occurred_at < event.occurred_at:
            ordered.append(nearest)
            nearest = next(waiting, None)
        ordered.append(event)
    if nearest is not None:
        ordered += [nearest, *waiting]
    return Session(session_id=session_id, student_id=student_id, events=tuple(ordered))
