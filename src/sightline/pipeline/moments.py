"""The very records behind observables, as a person can look at them: an event, an utterance, a rating."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sightline.domain.observables import Moment, MomentKind
from sightline.domain.records import Event, Rating, Utterance
from sightline.store import evidence, talks, telemetry
from sightline.store.database import Work


@dataclass(frozen=True, slots=True)
class Shown:
    """A moment in words: what it is, when it was, and for events the data as it was sent."""

    kind: MomentKind
    record_id: UUID
    at: datetime
    what: str
    data: Mapping[str, object]


async def shown_moments(
    work: Work, school_id: UUID, moments: Iterable[Moment], staff: Mapping[UUID, str]
) -> dict[UUID, Shown]:
    """All given moments by the id of their record."""
    ids: dict[MomentKind, set[UUID]] = {kind: set() for kind in MomentKind}
    for moment in moments:
        ids[moment.kind].add(moment.record_id)
    events = await telemetry.events_by_id(work, school_id, sorted(ids[MomentKind.EVENT]))
    utterances = await talks.utterances_by_id(work, school_id, sorted(ids[MomentKind.UTTERANCE]))
    ratings = await evidence.ratings_by_id(work, school_id, sorted(ids[MomentKind.RATING]))
    shown = {event_id: _event(event) for event_id, event in events.items()}
    shown |= {utterance_id: _utterance(utterance) for utterance_id, utterance in utterances.items()}
    shown |= {rating_id: _rating(rating, staff) for rating_id, rating in ratings.items()}
    return shown


def _event(event: Event) -> Shown:
    said = event.event_type.replace("_", " ")
    task = event.data.get("task")
    what = f"{said} · {task}" if isinstance(task, str) else said
    return Shown(MomentKind.EVENT, event.event_id, event.occurred_at, what, event.data)


def _utterance(utterance: Utterance) -> Shown:
    return Shown(MomentKind.UTTERANCE, utterance.utterance_id, utterance.starts_at, f"“{utterance.text}”", {})


def _rating(rating: Rating, staff: Mapping[UUID, str]) -> Shown:
    level = "not seen" if rating.level is None else f"level {rating.level} of 4"
    rater = staff.get(rating.rater_id, "a former teacher")
    what = f"{rater} rated {rating.skill.value}: {level}"
    return Shown(MomentKind.RATING, rating.rating_id, rating.rated_at, what, {})
