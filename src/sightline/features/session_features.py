"""Telemetry's eight session features by their known names: a number, or null with its reason.

Rates come from the catalog's observables. The counts and the focus time are descriptions of the session that
feed no estimate; they have their reason, too, when the session gave no opportunity.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sightline.domain.observables import Absence, Extraction, Observable
from sightline.domain.records import Event, Session
from sightline.features.timeline import ATTEMPTS, FAILURES, IDLE_GAP, LEAD_ACTS, OFF_TASK, TEAM_ACTS


@dataclass(frozen=True, slots=True)
class SessionFeature:
    """One named feature: value in `unit`, or None with the reason."""

    name: str
    value: float | None
    unit: str
    reason: Absence | None
    opportunities: int | None


def session_features(session: Session, extraction: Extraction) -> tuple[SessionFeature, ...]:
    """The eight features of one session with at least one event, in their known order."""
    return (
        _observed("task_completion_rate", "tasks_completed", "0 to 1", extraction),
        _observed("time_efficiency", "efficiency", "0 to 1", extraction),
        _count("retry_count", ATTEMPTS, FAILURES | ATTEMPTS, session),
        _observed("recovery_rate", "bounce_back", "0 to 1", extraction),
        _observed("distraction_resistance", "distraction_resisted", "0 to 1", extraction),
        _focus(session),
        _count("collaboration_indicators", TEAM_ACTS, TEAM_ACTS | {"turn_taken"}, session),
        _count("leadership_indicators", LEAD_ACTS, LEAD_ACTS | TEAM_ACTS | {"turn_taken"}, session),
    )


def _observed(name: str, indicator: str, unit: str, extraction: Extraction) -> SessionFeature:
    found: Observable | None = next((o for o in extraction.observables if o.indicator == indicator), None)
    if found is not None:
        return SessionFeature(name, found.measured.value, unit, None, found.measured.opportunities)
    reason = next(a.reason for a in extraction.absences if a.indicator == indicator)
    return SessionFeature(name, None, unit, reason, None)


def _count(name: str, acts: frozenset[str], chances: frozenset[str], session: Session) -> SessionFeature:
    """How many acts, when the session had any event that makes them possible."""
    chance = sum(e.event_type in chances for e in session.events)
    if chance == 0:
        return SessionFeature(name, None, "count", Absence.NO_OPPORTUNITY, None)
    return SessionFeature(name, float(sum(e.event_type in acts for e in session.events)), "count", None, chance)


def _focus(session: Session) -> SessionFeature:
    """Longest stretch in seconds without a pause, a distraction or a silence over IDLE_GAP."""
    longest = 0.0
    stretches = 0
    start: datetime | None = None
    before: Event | None = None
    for event in session.events:
        off = event.event_type in OFF_TASK
        if before is None or start is None or event.occurred_at - before.occurred_at > IDLE_GAP:
            start = event.occurred_at
        else:
            longest = max(longest, (event.occurred_at - start).total_seconds())
            stretches += 1
        if off:
            start = None
        before = event
    if stretches == 0:
        return SessionFeature("focus_duration", None, "seconds", Absence.TOO_FEW_OPPORTUNITIES, None)
    return SessionFeature("focus_duration", longest, "seconds", None, stretches)
