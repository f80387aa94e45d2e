"""Telemetry's eight session features by their known names: a number, or null with its reason.

Each is an observable or an absence: four are the catalog's own; four are counts and a time that describe the
session and feed no estimate, found by the same kind of rule (a value with its opportunities and moments).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sightline.domain.observables import Absence, Extraction, Measured
from sightline.domain.records import Event, Session
from sightline.features.timeline import ATTEMPTS, FAILURES, IDLE_GAP, LEAD_ACTS, OFF_TASK, TEAM_ACTS, moment


@dataclass(frozen=True, slots=True)
class SessionFeature:
    """One named feature: value in `unit`, or None with the reason."""

    name: str
    value: float | None
    unit: str
    reason: Absence | None
    opportunities: int | None


def session_features(session: Session, extraction: Extraction) -> tuple[SessionFeature, ...]:
    """The eight features of one session with at least one event, in their known order.

    `time_efficiency` is least over used, in whichever unit the game states both: seconds or steps.
    """
    team, lead = TEAM_ACTS | {"turn_taken"}, LEAD_ACTS | TEAM_ACTS | {"turn_taken"}
    return (
        _feature("task_completion_rate", "0 to 1", _of_catalog("tasks_completed", extraction)),
        _feature("time_efficiency", "0 to 1", _of_catalog("efficiency", extraction)),
        _feature("retry_count", "count", acts_counted(session, ATTEMPTS, FAILURES | ATTEMPTS)),
        _feature("recovery_rate", "0 to 1", _of_catalog("bounce_back", extraction)),
        _feature("distraction_resistance", "0 to 1", _of_catalog("distraction_resisted", extraction)),
        _feature("focus_duration", "seconds", longest_focus(session)),
        _feature("collaboration_indicators", "count", acts_counted(session, TEAM_ACTS, team)),
        _feature("leadership_indicators", "count", acts_counted(session, LEAD_ACTS, lead)),
    )


def _feature(name: str, unit: str, found: Measured | Absence) -> SessionFeature:
    if isinstance(found, Absence):
        return SessionFeature(name, None, unit, found, None)
    return SessionFeature(name, found.value, unit, None, found.opportunities)


def _of_catalog(indicator: str, extraction: Extraction) -> Measured | Absence:
    for observable in extraction.observables:
        if observable.indicator == indicator:
            return observable.measured
    return next(absence.reason for absence in extraction.absences if absence.indicator == indicator)


def acts_counted(session: Session, acts: frozenset[str], chances: frozenset[str]) -> Measured | Absence:
    """How many acts there were, when the session had any event that makes them possible."""
    found = [event for event in session.events if event.event_type in chances]
    if not found:
        return Absence.NO_OPPORTUNITY
    moments = tuple(moment(event, counted=event.event_type in acts) for event in found)
    counted = sum(m.counted for m in moments)
    return Measured(float(counted), len(found), moments, counted=counted)


def longest_focus(session: Session) -> Measured | Absence:
    """Longest stretch in seconds without a pause, a distraction or a silence over IDLE_GAP."""
    stretches: list[tuple[float, Event, Event]] = []
    start: Event | None = None
    before: datetime | None = None
    for event in session.events:
        if start is None or before is None or event.occurred_at - before > IDLE_GAP:
            start = event
        else:
            stretches.append(((event.occurred_at - start.occurred_at).total_seconds(), start, event))
        if event.event_type in OFF_TASK:
            start = None
        before = event.occurred_at
    if not stretches:
        return Absence.TOO_FEW_OPPORTUNITIES
    seconds, first, last = max(stretches, key=lambda stretch: stretch[0])
    return Measured(max(seconds, 0.0), len(stretches), (moment(first, counted=True), moment(last, counted=True)))
