"""Records to observables, observables to assessments. What is computed again from the same comes out the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

from sightline.domain.acts import ActReadings
from sightline.domain.observables import Absence, Extraction, Observable
from sightline.domain.records import Conversation, Session
from sightline.domain.skills import Source
from sightline.errors import NOTHING_HERE, NotFound
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.features.extraction import extract_conversation, extract_ratings, fingerprint
from sightline.features.extraction import extract_session as rules_of_play
from sightline.features.session_features import SessionFeature, session_features
from sightline.ingest.sessions import session_of
from sightline.measurement.assess import Frame, assess_school
from sightline.measurement.card import Card
from sightline.measurement.items import time_in_window
from sightline.measurement.norms import Norms, norms_of
from sightline.measurement.severities import Severities
from sightline.measurement.slopes import slopes_of_school
from sightline.pipeline.cards import card_of, measurement_card, talk_act_card
from sightline.store import assessments, evidence, talks, telemetry
from sightline.store import growth as store_growth
from sightline.store.database import Work
from sightline.talkacts.acts import Turn, act_probabilities, coverage

IN_DOMAIN = 0.9
"""Share of words known from training below which a talk is unlike it (docs/model-card-talkacts.md: .98 at home,
.77 in children's speech, where the classifier failed). A judgement from two corpora, not a fitted number."""


@dataclass(frozen=True, slots=True)
class SessionExtract:
    """A closed session: its observables and absences, and telemetry's eight features."""

    session: Session
    closed_at: datetime | None
    extraction: Extraction
    features: tuple[SessionFeature, ...]


async def session_extract(work: Work, school_id: UUID, session_id: UUID) -> SessionExtract:
    """What the rules find in a session as it is now, stored or not. Raises NotFound without events."""
    states = await telemetry.session_states(work, school_id, [session_id])
    events = await telemetry.events_of_session(work, school_id, session_id)
    if not states or not events:
        raise NotFound(NOTHING_HERE)
    session = session_of(session_id, states[0].student_id, events)
    extraction = rules_of_play(session)
    return SessionExtract(session, states[0].closed_at, extraction, session_features(session, extraction))


async def extract_session(work: Work, school_id: UUID, session_id: UUID, *, now: datetime) -> SessionExtract:
    """Store a session's observables; the caller holds the session alone."""
    extract = await session_extract(work, school_id, session_id)
    await evidence.add_extraction(work, school_id, extract.extraction, now)
    return extract


def act_readings(talk: Conversation) -> ActReadings | Absence:
    """What the shipped classifier reads in a conversation, with its own error rates.

    Talk unlike its training data gets no reading at all: there its error rates are not known.
    """
    card = talk_act_card()
    turns = [Turn(speaker=u.speaker, text=u.text) for u in talk.utterances]
    if coverage(card, turns) < IN_DOMAIN:
        return Absence.ACTS_OUT_OF_DOMAIN
    readings = act_probabilities(card, turns)
    return ActReadings(
        card_version=card.version,
        probabilities={
            u.utterance_id: {act.value: p for act, p in reading.items()}
            for u, reading in zip(talk.utterances, readings, strict=True)
        },
        thresholds={act.value: figures.threshold for act, figures in card.acts.items()},
        discrimination={
            act.value: max(figures.sensitivity - figures.false_positive_rate, 0.0)
            for act, figures in card.acts.items()
        },
    )


def talk_extractions(talk: Conversation) -> list[Extraction]:
    """What the rules find in a conversation, for every student in it."""
    acts = act_readings(talk)
    return [extract_conversation(talk, student, acts) for student in talk.students]


async def extract_transcript(
    work: Work,
    school_id: UUID,
    transcript_id: UUID,
    *,
    former: frozenset[UUID] = frozenset(),
    now: datetime,
) -> None:
    """Store the talk observables of every student in a transcript; the caller holds it alone.

    Students in `former` who speak in it no longer get an empty extraction, which takes their old one back.
    """
    talk = await talks.conversation(work, school_id, transcript_id)
    # a day of talk takes seconds to read: other requests go on meanwhile
    for extraction in await asyncio.to_thread(talk_extractions, talk):
        await evidence.add_extraction(work, school_id, extraction, now)
    for student in sorted(former - set(talk.students)):
        empty = Extraction(
            student_id=student,
            source=Source.TALK,
            sitting_id=transcript_id,
            catalog_version=CATALOG_VERSION,
            fingerprint=fingerprint([str(transcript_id)]),
            observables=(),
            absences=(),
        )
        await evidence.add_extraction(work, school_id, empty, now)


async def extract_occasion(
    work: Work,
    school_id: UUID,
    sitting: UUID,
    student: UUID,
    rater: UUID,
    occasion: date,
    *,
    now: datetime,
) -> None:
    """Store the rubric observables of one rater, student and day; the caller holds the sitting alone."""
    ratings = await evidence.latest_ratings(work, school_id, [student], rater_id=rater, occasion=occasion)
    await evidence.add_extraction(work, school_id, extract_ratings(sitting, ratings), now)


def end_of_day(at: datetime) -> datetime:
    """The end of the (UTC) day of a time: estimates are dated to days, so that an hour moves nobody."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Scored:
    """What scoring a school did: students assessed, those of them whose content changed, and with what.

    All but the numbers of students holds until the next time: with it one student is assessed alone.
    """

    students: int
    changed: int
    frame: Frame
    severities: Severities
    classes: Mapping[UUID, Sequence[UUID]]
    aside: frozenset[tuple[UUID, Source]]


async def rescore_school(work: Work, school_id: UUID, *, now: datetime) -> int:
    """`score_school`; says how many students changed."""
    return (await score_school(work, school_id, now=now)).changed


async def score_school(work: Work, school_id: UUID, *, now: datetime) -> Scored:
    """Assess all students of a school with its card, on the card's norms or its own; append what changed.

    Before, each source is watched in each class, and one that is broken there does not count. Change is tested
    over the same window, class by class, and appended where it differs.

    The window ends with the day of the school's newest evidence, not with the day of computing. A student all of
    whose evidence was taken back is assessed, too, and becomes unscored.
    """
    from sightline.pipeline import guarding  # noqa: PLC0415 - statistics are the worker's to load

    known = await evidence.students_with_extractions(work, school_id)
    found = await evidence.current_observables(work, school_id, CATALOG_VERSION, moments=False)
    by_student = {student: found.get(student, []) for student in known}
    card = await card_of(work, school_id)
    classes = await store_growth.enrolled(work, school_id)
    frame = frame_of(by_student, card, now)
    seen = await asyncio.to_thread(guarding.watched, by_student, classes, frame)
    aside = await guarding.keep(work, school_id, seen, now)
    counting = without_set_aside(by_student, classes, aside)
    if aside and card.norms is None:
        frame = replace(frame, norms=norms_now(counting, now, card)[1])
    await keep_norms(work, school_id, frame.norms, now)
    assessed = await asyncio.to_thread(assess_school, counting, frame)  # the worker's heartbeat goes on meanwhile
    await keep_growth(work, school_id, counting, classes, frame)
    changed = await assessments.add_assessments(work, school_id, assessed.assessments)
    return Scored(len(assessed.assessments), changed, frame, assessed.severities, classes, aside)


def frame_of(by_student: Mapping[UUID, Sequence[Observable]], card: Card, now: datetime) -> Frame:
    """What all students of a school are assessed with now."""
    as_of, norms = norms_now(by_student, now, card)
    return Frame(
        indicators=INDICATORS,
        norms=norms,
        card=card,
        catalog_version=CATALOG_VERSION,
        as_of=as_of,
        computed_at=now,
    )


def without_set_aside(
    by_student: Mapping[UUID, Sequence[Observable]],
    classes: Mapping[UUID, Sequence[UUID]],
    aside: AbstractSet[tuple[UUID, Source]],
) -> Mapping[UUID, Sequence[Observable]]:
    """The observables that count: of a student in a class where a source is set aside, none from that source."""
    gone = {(student, source) for class_id, source in aside for student in classes.get(class_id, ())}
    if not gone:
        return by_student
    return {student: [o for o in seen if (student, o.source) not in gone] for student, seen in by_student.items()}


async def keep_growth(
    work: Work,
    school_id: UUID,
    by_student: Mapping[UUID, Sequence[Observable]],
    classes: Mapping[UUID, Sequence[UUID]],
    frame: Frame,
) -> int:
    """Test the change of every class and its students; append what differs, and say for how many classes."""
    from sightline.pipeline.growing import growth_of_classes  # noqa: PLC0415 - statistics are the worker's to load

    slopes = await asyncio.to_thread(slopes_of_school, by_student, frame)
    found = await asyncio.to_thread(growth_of_classes, slopes, classes, frame)
    return await store_growth.add_growth(work, school_id, found)


def end_of_window(by_student: Mapping[UUID, Sequence[Observable]]) -> datetime | None:
    """The end of the day of the newest evidence; None without any."""
    newest = max((o.at for observables in by_student.values() for o in observables), default=None)
    return None if newest is None else end_of_day(newest)


def norms_now(
    by_student: Mapping[UUID, Sequence[Observable]], now: datetime, card: Card | None = None
) -> tuple[datetime, Norms]:
    """The end of the school's window, and its norms: a fitted card's, else the school's own in the window."""
    card = card or measurement_card()
    as_of = end_of_window(by_student) or end_of_day(now)
    if card.norms is not None:
        return as_of, card.norms
    everything = [o for observables in by_student.values() for o in observables]
    inside = [o for o in everything if time_in_window(o.at, as_of, card.weeks) >= 0]
    return as_of, norms_of(inside, INDICATORS)


async def extract_all(work: Work, school_id: UUID, *, now: datetime) -> None:
    """Let the current catalog see every sitting of a school again; what it finds alike is not stored twice."""
    for sitting, _ in await evidence.sittings_of(work, school_id, Source.GAME):
        await telemetry.hold_sittings(work, school_id, [sitting], alone=True)
        await extract_session(work, school_id, sitting, now=now)
    spoke: dict[UUID, set[UUID]] = {}
    for sitting, student in await evidence.sittings_of(work, school_id, Source.TALK):
        spoke.setdefault(sitting, set()).add(student)
    for sitting, former in spoke.items():
        await telemetry.hold_sittings(work, school_id, [sitting], alone=True)
        await extract_transcript(work, school_id, sitting, former=frozenset(former), now=now)
    for student in dict.fromkeys(s for _, s in await evidence.sittings_of(work, school_id, Source.TEACHER)):
        rated = await evidence.latest_ratings(work, school_id, [student])
        for rater, occasion in sorted({(r.rater_id, r.occasion) for r in rated}):
            sitting = occasion_id(rater, student, occasion)
            await telemetry.hold_sittings(work, school_id, [sitting], alone=True)
            await extract_occasion(work, school_id, sitting, student, rater, occasion, now=now)


def occasion_id(rater_id: UUID, student_id: UUID, occasion: date) -> UUID:
    """The sitting of all ratings that one rater gave one student for one day."""
    return uuid5(student_id, f"occasion/{rater_id}/{occasion}")


async def keep_norms(work: Work, school_id: UUID, norms: Norms, now: datetime) -> None:
    await assessments.add_norms(
        work,
        school_id,
        version=norms.version,
        catalog_version=CATALOG_VERSION,
        body={name: asdict(norm) for name, norm in norms.by_indicator.items()},
        at=now,
    )
