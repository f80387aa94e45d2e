"""What an event means to the rules. Games say the same thing by several names; here each name is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from sightline.domain.observables import Moment, MomentKind
from sightline.domain.records import Event, Session

FAILURES = frozenset({"failure", "failure_occurred"})
ATTEMPTS = frozenset({"retry", "retry_attempted", "restart"})
SOLVED = frozenset({"task_complete", "success_after_failure", "recovery_achieved", "recovery"})
HELP_SOUGHT = frozenset({"help_requested", "help_sought"})
OFF_TASK = frozenset({"pause", "distraction"})
TEAM_ACTS = frozenset({"collaboration", "help_given", "help_received", "task_delegated"})
LEAD_ACTS = frozenset({"leadership", "initiative", "task_delegated"})
ACTIONS = (
    frozenset({"choice_made", "decision_made", "resource_allocated", "turn_taken", "strategy_switched", "mistake"})
    | ATTEMPTS
)

IDLE_GAP = timedelta(seconds=60)
"""Silence longer than this ends a stretch of focus; logs mark no reading time (Gobert et al. 2015 use 60 s)."""


def task_of(event: Event) -> str | None:
    """The task an event belongs to: `data.task`, else the mission."""
    task = said(event, "task")
    return event.mission_id if task is None else task


def is_shared(event: Event) -> bool:
    """True for what a team did together: nobody's own credit."""
    return event.data.get("shared") is True


def flag(event: Event, key: str) -> bool | None:
    """A yes or no that the game states, None when it does not."""
    value = event.data.get(key)
    return value if isinstance(value, bool) else None


def amount(event: Event, key: str) -> float | None:
    """A number that the game states, None when it does not."""
    value = event.data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer that no measured amount has
        return None


def said(event: Event, key: str) -> str | None:
    """A word that the game states, None when it does not."""
    value = event.data.get(key)
    return value if isinstance(value, str) else None


def moment(event: Event, *, counted: bool) -> Moment:
    return Moment(kind=MomentKind.EVENT, record_id=event.event_id, at=event.occurred_at, counted=counted)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """A failure, and every later event of the session up to the next failure at the same task."""

    failure: Event
    later: tuple[Event, ...]


def failures_of(session: Session) -> Iterator[Aftermath]:
    """Each failure with what followed it, up to the next failure at the same task."""
    for i, event in enumerate(session.events):
        if event.event_type not in FAILURES:
            continue
        later: list[Event] = []
        for following in session.events[i + 1 :]:
            if following.event_type in FAILURES and task_of(following) == task_of(event):
                break
            later.append(following)
        yield Aftermath(event, tuple(later))


def first(events: tuple[Event, ...], where: Callable[[Event], bool]) -> Event | None:
    return next((event for event in events if where(event)), None)


def solution_after(session: Session, position: int) -> Event | None:
    """The first success at the task of the event at `position`, later in the session."""
    task = task_of(session.events[position])
    return first(session.events[position + 1 :], lambda e: e.event_type in SOLVED and task_of(e) == task)


def attempt_after(aftermath: Aftermath) -> Event | None:
    """The first attempt at the failed task before it fails again."""
    task = task_of(aftermath.failure)
    return first(aftermath.later, lambda e: e.event_type in ATTEMPTS and task_of(e) == task)
