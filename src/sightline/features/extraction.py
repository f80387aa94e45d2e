"""All rules over one sitting: observables and absences, the same ids for the same records every time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from uuid import UUID, uuid5

from sightline.domain.acts import ActReadings
from sightline.domain.indicators import Indicator
from sightline.domain.observables import Absence, Extraction, Measured, NotObserved, Observable
from sightline.domain.records import Conversation, Rating, Session
from sightline.domain.skills import Source
from sightline.features.catalog import CATALOG_VERSION
from sightline.features.rows_play import PLAY_RULES
from sightline.features.rows_rubric import RUBRIC_RULES
from sightline.features.rows_talk import TALK_RULES

NOON = time(12)


def extract_session(session: Session) -> Extraction:
    """Play indicators of one session with at least one event; dated at the session's last event."""
    return _extraction(
        student=session.student_id,
        source=Source.GAME,
        sitting=session.session_id,
        at=session.events[-1].occurred_at,
        found=[(rule.indicator, rule.function(session, rule.indicator.minimum)) for rule in PLAY_RULES],
        happened=[(e.event_type, e.occurred_at.isoformat(), e.data) for e in session.events],
    )


def extract_conversation(talk: Conversation, student: UUID, acts: ActReadings | Absence) -> Extraction:
    """Talk indicators of one student in one conversation; dated at the conversation's last turn."""
    return _extraction(
        student=student,
        source=Source.TALK,
        sitting=talk.transcript_id,
        at=max(u.ends_at for u in talk.utterances),
        found=[
            (rule.indicator, rule.function(talk, student, rule.indicator.minimum, acts)) for rule in TALK_RULES
        ],
        happened=[(u.speaker, u.starts_at.isoformat(), u.text) for u in talk.utterances],
    )


def extract_ratings(sitting: UUID, ratings: Iterable[Rating]) -> Extraction:
    """Rubric indicators of one student on one occasion from the latest ratings of one rater (at least one).

    Dated at noon (UTC) of the occasion: the day that the ratings are about, not the day they were entered.
    """
    by_skill = {rating.skill: rating for rating in ratings}
    latest = max(by_skill.values(), key=lambda r: r.rated_at)
    return _extraction(
        student=latest.student_id,
        source=Source.TEACHER,
        sitting=sitting,
        at=datetime.combine(latest.occasion, NOON, tzinfo=UTC),
        found=[
            (rule.indicator, rule.function(by_skill[rule.indicator.skill]))
            for rule in RUBRIC_RULES
            if rule.indicator.skill in by_skill
        ],
        happened=[str(sitting)],
        rater=latest.rater_id,
    )


def fingerprint(happened: Sequence[object]) -> str:
    """SHA-256 of what happened, in order, as JSON."""
    return hashlib.sha256(json.dumps(happened, sort_keys=True).encode()).hexdigest()


def _extraction(
    *,
    student: UUID,
    source: Source,
    sitting: UUID,
    at: datetime,
    found: Iterable[tuple[Indicator, Measured | Absence]],
    happened: Sequence[object],
    rater: UUID | None = None,
) -> Extraction:
    observables: list[Observable] = []
    absences: list[NotObserved] = []
    for indicator, result in found:
        if isinstance(result, Absence):
            absences.append(
                NotObserved(
                    indicator=indicator.name,
                    student_id=student,
                    source=source,
                    sitting_id=sitting,
                    reason=result,
                )
            )
            continue
        observables.append(
            Observable(
                # another value is another observable: an old contribution keeps pointing at what it was made of
                observable_id=uuid5(sitting, f"{student}/{indicator.name}/{CATALOG_VERSION}/{result}"),
                indicator=indicator.name,
                student_id=student,
                source=source,
                sitting_id=sitting,
                at=at,
                measured=result,
                rater_id=rater,
            )
        )
    return Extraction(
        student_id=student,
        source=source,
        sitting_id=sitting,
        catalog_version=CATALOG_VERSION,
        fingerprint=fingerprint(happened),
        observables=tuple(observables),
        absences=tuple(absences),
    )
