"""Results out. Every look at a student is decided in one place and written down in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from math import sqrt
from uuid import UUID

from sightline.domain.claims import Claim
from sightline.domain.estimates import (
    Assessment,
    AssessmentHead,
    Estimate,
    Shortfall,
    SkillResult,
    SkillSummary,
    Unscored,
)
from sightline.domain.observables import NotObserved, Observable
from sightline.domain.records import Rating
from sightline.domain.skills import SKILLS, Skill, Source
from sightline.errors import NOTHING_HERE, NotAllowed, NotFound
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.growth.change import Change, change_of
from sightline.measurement.card import Card
from sightline.pipeline.cards import card_of
from sightline.pipeline.moments import Shown, shown_moments
from sightline.pipeline.scoring import SessionExtract, norms_now, session_extract
from sightline.pipeline.talk_and_ratings import TranscriptState, transcript_state
from sightline.quality.health import IndicatorHealth, indicator_health
from sightline.reasoning.claims import Group, claims_of, groups_of
from sightline.reasoning.words import set_aside_words
from sightline.security.access import Act, Caller, Role, may, visible_students
from sightline.store import assessments, evidence, people, quarantines
from sightline.store.credentials import record_disclosure
from sightline.store.database import Work
from sightline.store.people import School, Student

NOTHING_YET = (
    "game sessions, recorded group talks or teacher ratings on three occasions, from two kinds of sources"
)


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why somebody looks, as it is written into the disclosure log, and when."""

    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SetAside:
    """A source that does not count in a class, since when, and why, for a person."""

    source: Source
    since: datetime
    words: str


@dataclass(frozen=True, slots=True)
class StudentRow:
    """A student with the newest results, one per skill; `set_aside` only where one student is asked for."""

    student: Student
    results: Mapping[Skill, SkillSummary]
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassView:
    """What the class page and the heatmap route show."""

    school: School
    class_id: UUID
    title: str
    rows: tuple[StudentRow, ...]
    set_aside: tuple[SetAside, ...]
    card: Card
    catalog_version: str
    as_of: datetime | None
    computed_at: datetime | None


@dataclass(frozen=True, slots=True)
class SkillView:
    """One skill with its reasons: claims, groups of contributions, evidence, what could not be observed.

    observables: all of this skill, used or not; borrowed: those of other skills that contributed.
    """

    result: SkillResult
    groups: tuple[Group, ...]
    claims: tuple[Claim, ...]
    observables: tuple[Observable, ...]
    borrowed: tuple[Observable, ...]
    absences: tuple[NotObserved, ...]
    change: Change | None
    raters: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class StudentView:
    """One student with all seven skills and the moments behind them."""

    school: School
    student: Student
    classes: Mapping[UUID, str]
    skills: tuple[SkillView, ...]
    moments: Mapping[UUID, Shown]
    set_aside: tuple[SetAside, ...]
    card: Card
    as_of: datetime | None
    computed_at: datetime | None


def allow(
    caller: Caller,
    act: Act,
    *,
    students: frozenset[UUID] = frozenset(),
    class_id: UUID | None = None,
    sent_by: str | None = None,
) -> None:
    """Raises NotFound when these are not the caller's, NotAllowed when the act is none of the role's."""
    if not may(caller, act, school_id=caller.school_id):
        raise NotAllowed(f"the role {caller.role.value!r} may not {act.value}")
    school_id = caller.school_id
    if not may(caller, act, school_id=school_id, students=students, class_id=class_id, sent_by=sent_by):
        raise NotFound(NOTHING_HERE)


def nothing_yet(skill: Skill, at: datetime) -> SkillResult:
    """The result of a skill of which nothing was ever received."""
    outcome = Unscored(skill=skill, as_of=at, reasons=(Shortfall.NO_EVIDENCE,), would_help=NOTHING_YET)
    return SkillResult(skill=skill, outcome=outcome, prior_mean=0.0, contributions=(), rater_adjustments=())


def _summaries(head: AssessmentHead | None, at: datetime) -> dict[Skill, SkillSummary]:
    if head is None:
        return {skill: nothing_yet(skill, at).summary for skill in SKILLS}
    return {summary.skill: summary for summary in head.skills}


def _results(assessment: Assessment | None, at: datetime) -> dict[Skill, SkillResult]:
    if assessment is None:
        return {skill: nothing_yet(skill, at) for skill in SKILLS}
    return {result.skill: result for result in assessment.results}


async def _school(work: Work, school_id: UUID) -> School:
    school = await people.school_of(work, school_id)
    if school is None:
        raise NotFound("there is no such school")
    return school


async def class_view(work: Work, caller: Caller, class_id: UUID, purpose: Purpose) -> ClassView:
    """The newest results of a class. Raises NotFound for a class that is not there or not the caller's."""
    allow(caller, Act.READ_CLASS, class_id=class_id)
    roll = await people.class_roll(work, caller.school_id, class_id)
    if roll is None:
        raise NotFound(NOTHING_HERE)
    title, students = roll
    ids = [s.student_id for s in students]
    await record_disclosure(work, caller, "class estimates", purpose.why, ids, purpose.at)
    newest = await assessments.newest_heads(work, caller.school_id, ids)
    return ClassView(
        school=await _school(work, caller.school_id),
        class_id=class_id,
        title=title,
        rows=tuple(StudentRow(s, _summaries(newest.get(s.student_id), purpose.at)) for s in students),
        set_aside=await _set_aside(work, caller.school_id, {class_id: title}),
        card=await card_of(work, caller.school_id),
        catalog_version=CATALOG_VERSION,
        as_of=max((a.as_of for a in newest.values()), default=None),
        computed_at=max((a.computed_at for a in newest.values()), default=None),
    )


async def student_row(work: Work, caller: Caller, student_id: UUID, purpose: Purpose) -> StudentRow:
    """The newest results of one student, without reasons."""
    student = await _readable(work, caller, student_id)
    await record_disclosure(work, caller, "student estimates", purpose.why, [student_id], purpose.at)
    newest = await assessments.newest_heads(work, caller.school_id, [student_id])
    classes = await people.classes_of(work, caller.school_id, student_id)
    return StudentRow(
        student,
        _summaries(newest.get(student_id), purpose.at),
        await _set_aside(work, caller.school_id, classes),
    )


async def _set_aside(work: Work, school_id: UUID, classes: Mapping[UUID, str]) -> tuple[SetAside, ...]:
    """What does not count in any of these classes (titles by id) now."""
    decisions = await quarantines.current(work, school_id)
    return tuple(
        SetAside(d.source, d.at, set_aside_words(d.source, classes[class_id], d.at, d.shift))
        for (class_id, _), d in sorted(decisions.items())
        if d.set_aside and class_id in classes
    )


async def _readable(work: Work, caller: Caller, student_id: UUID) -> Student:
    allow(caller, Act.READ_STUDENT, students=frozenset({student_id}))
    student = await people.student(work, caller.school_id, student_id)
    if student is None:
        raise NotFound(NOTHING_HERE)
    return student


async def student_view(
    work: Work, caller: Caller, student_id: UUID, purpose: Purpose, *, skills: tuple[Skill, ...] = SKILLS
) -> StudentView:
    """One student with reasons and moments for the given skills."""
    student = await _readable(work, caller, student_id)
    await record_disclosure(
        work, caller, f"reasons and moments: {', '.join(skills)}", purpose.why, [student_id], purpose.at
    )
    newest = (await assessments.newest_assessments(work, caller.school_id, [student_id])).get(student_id)
    results = _results(newest, purpose.at)
    found = await evidence.current_observables(work, caller.school_id, CATALOG_VERSION, students=[student_id])
    absences = await evidence.current_absences(work, caller.school_id, CATALOG_VERSION, student_id)
    staff = {staff_id: name for staff_id, name, _ in await people.staff_of(work, caller.school_id)}
    by_id = {o.observable_id: o for o in found.get(student_id, [])}
    cited = {c.observable_id for skill in skills for c in results[skill].contributions}
    # evidence that was revised since the newest assessment: the sum still ends at what it was made of
    by_id |= await evidence.observables_by_id(work, caller.school_id, sorted(cited - set(by_id)))
    card = await card_of(work, caller.school_id)
    views = tuple(_skill_view(results[skill], by_id, absences, staff, card) for skill in skills)
    classes = await people.classes_of(work, caller.school_id, student_id)
    shown = [m for view in views for o in (*view.observables, *view.borrowed) for m in o.measured.moments]
    return StudentView(
        school=await _school(work, caller.school_id),
        student=student,
        classes=classes,
        skills=views,
        moments=await shown_moments(work, caller.school_id, shown, staff),
        set_aside=await _set_aside(work, caller.school_id, classes),
        card=card,
        as_of=None if newest is None else newest.as_of,
        computed_at=None if newest is None else newest.computed_at,
    )


def _skill_view(
    result: SkillResult,
    by_id: Mapping[UUID, Observable],
    absences: list[NotObserved],
    staff: Mapping[UUID, str],
    card: Card,
) -> SkillView:
    """Reasons of one skill; observables that came after the assessment are shown without a contribution."""
    groups = groups_of(result, by_id, INDICATORS)
    used = {c.observable_id for c in result.contributions}
    own = [o for o in by_id.values() if INDICATORS[o.indicator].skill is result.skill]
    return SkillView(
        result=result,
        groups=groups,
        claims=claims_of(groups, result.skill),
        observables=tuple(sorted(own, key=lambda o: (o.at, o.indicator), reverse=True)),
        borrowed=tuple(
            o
            for o in by_id.values()
            if o.observable_id in used and INDICATORS[o.indicator].skill is not result.skill
        ),
        absences=tuple(a for a in absences if INDICATORS[a.indicator].skill is result.skill),
        change=_change(result.summary, card),
        raters={rater: staff.get(rater, "a former teacher") for rater, _ in result.rater_adjustments},
    )


async def students_page(
    work: Work, caller: Caller, purpose: Purpose, *, after: tuple[str, UUID] | None, limit: int
) -> list[Student]:
    """Students whom the caller may see, by name."""
    allow(caller, Act.LIST_STUDENTS)
    page = await people.students_page(work, caller.school_id, visible_students(caller), after=after, limit=limit)
    await record_disclosure(
        work, caller, "list of students", purpose.why, [s.student_id for s in page], purpose.at
    )
    return page


async def history(
    work: Work, caller: Caller, student_id: UUID, skill: Skill, purpose: Purpose
) -> list[SkillSummary]:
    """Past results of one skill, newest first, one for each day that the evidence reached."""
    await _readable(work, caller, student_id)
    await record_disclosure(work, caller, f"history: {skill}", purpose.why, [student_id], purpose.at)
    past = await assessments.past_assessments(work, caller.school_id, student_id)
    return [assessment.of(skill).summary for assessment in past]


async def changes(work: Work, caller: Caller, student_id: UUID, purpose: Purpose) -> dict[Skill, Change | None]:
    """What may be said of a student's change in each skill; None where there is no estimate."""
    row = await student_row(work, caller, student_id, purpose)
    card = await card_of(work, caller.school_id)
    return {skill: _change(result, card) for skill, result in row.results.items()}


def _change(result: SkillSummary, card: Card) -> Change | None:
    if result.slope is None or not isinstance(result.outcome, Estimate):
        return None
    change = len(SKILLS) + SKILLS.index(result.skill)
    return change_of(result.slope, card.weeks, sqrt(card.sigma[change, change]))


async def transcript(work: Work, caller: Caller, transcript_id: UUID, purpose: Purpose) -> TranscriptState:
    """Who speaks in a transcript. Raises NotFound when not every student in it is the caller's."""
    allow(caller, Act.READ_TRANSCRIPT)
    state = await transcript_state(work, caller.school_id, transcript_id, status="stored")
    students = frozenset(s for s in state.speakers.values() if s is not None)
    allow(caller, Act.READ_TRANSCRIPT, students=students, sent_by=state.sent_by)
    await record_disclosure(work, caller, "speakers of a transcript", purpose.why, students, purpose.at)
    return state


async def own_ratings(
    work: Work, caller: Caller, class_id: UUID, occasion: date | None, purpose: Purpose
) -> list[Rating]:
    """The caller's own newest ratings of a class; the caller may rate it."""
    roll = await people.class_roll(work, caller.school_id, class_id)
    if roll is None:
        raise NotFound(NOTHING_HERE)
    ids = [s.student_id for s in roll[1]]
    await record_disclosure(work, caller, "own ratings", purpose.why, ids, purpose.at)
    return await evidence.latest_ratings(work, caller.school_id, ids, rater_id=caller.staff_id, occasion=occasion)


async def session_features(work: Work, caller: Caller, session_id: UUID, purpose: Purpose) -> SessionExtract:
    """A session as it is now: a server sees sessions of its school, staff those of their students."""
    extract = await session_extract(work, caller.school_id, session_id)
    if caller.role is Role.SERVER:
        allow(caller, Act.SEND_EVENTS)
        return extract
    students = frozenset({extract.session.student_id})
    allow(caller, Act.READ_STUDENT, students=students)
    await record_disclosure(work, caller, "session features", purpose.why, students, purpose.at)
    return extract


async def health_of_indicators(work: Work, caller: Caller, at: datetime) -> tuple[IndicatorHealth, ...]:
    """What each indicator could observe in the caller's school; counts only, no student."""
    allow(caller, Act.READ_QUALITY)
    found = await evidence.current_observables(work, caller.school_id, CATALOG_VERSION)
    _, norms = norms_now(found, at, await card_of(work, caller.school_id))
    return indicator_health(
        INDICATORS.values(),
        [o for observables in found.values() for o in observables],
        await evidence.absence_counts(work, caller.school_id, CATALOG_VERSION),
        frozenset(norms.by_indicator),
    )
