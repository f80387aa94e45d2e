"""Ratings, extractions and their observables. Appended; the newest revision of a sitting counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, and_, bindparam, insert, select, true
from sqlalchemy.dialects.postgresql import distinct_on

from sightline.domain.observables import Absence, Extraction, Measured, Moment, NotObserved, Observable
from sightline.domain.records import Rating
from sightline.domain.skills import Skill, Source
from sightline.store.database import Work
from sightline.store.schema import extractions, observables, ratings

Moments = tuple[Moment, ...]


async def add_ratings(work: Work, school_id: UUID, new: Sequence[Rating]) -> None:
    if new:
        await work.execute(
            insert(ratings),
            [
                {
                    "school_id": school_id,
                    "rating_id": r.rating_id,
                    "rater_id": r.rater_id,
                    "student_id": r.student_id,
                    "skill": r.skill.value,
                    "level": r.level,
                    "occasion": r.occasion,
                    "rated_at": r.rated_at,
                }
                for r in new
            ],
        )


async def latest_ratings(
    work: Work,
    school_id: UUID,
    student_ids: Sequence[UUID],
    *,
    rater_id: UUID | None = None,
    occasion: date | None = None,
) -> list[Rating]:
    """The newest rating of each rater, student, skill and occasion."""
    condition = [ratings.c.school_id == school_id, ratings.c.student_id.in_(student_ids)]
    if rater_id is not None:
        condition.append(ratings.c.rater_id == rater_id)
    if occasion is not None:
        condition.append(ratings.c.occasion == occasion)
    found = await work.execute(
        select(ratings)
        .where(*condition)
        .ext(distinct_on(ratings.c.student_id, ratings.c.rater_id, ratings.c.occasion, ratings.c.skill))
        .order_by(
            ratings.c.student_id,
            ratings.c.rater_id,
            ratings.c.occasion,
            ratings.c.skill,
            ratings.c.entry.desc(),
        )
    )
    return [_rating(row) for row in found]


async def ratings_by_id(work: Work, school_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Rating]:
    if not ids:
        return {}
    found = await work.execute(
        select(ratings).where(ratings.c.school_id == school_id, ratings.c.rating_id.in_(ids))
    )
    return {row.rating_id: _rating(row) for row in found}


def _rating(row: Any) -> Rating:
    return Rating(
        rating_id=row.rating_id,
        rater_id=row.rater_id,
        student_id=row.student_id,
        skill=Skill(row.skill),
        level=row.level,
        occasion=row.occasion,
        rated_at=row.rated_at,
    )


async def add_extraction(work: Work, school_id: UUID, extraction: Extraction, at: datetime) -> bool:
    """Append an extraction as a new revision; False when the newest one says the same already.

    The caller holds the sitting (`hold_sittings` or an equal lock), so that revisions do not race.
    """
    content_hash = hashlib.sha256(msgspec.json.encode(extraction)).digest()
    found = await work.execute(
        select(extractions.c.revision, extractions.c.content_hash)
        .where(
            extractions.c.school_id == school_id,
            extractions.c.sitting_id == extraction.sitting_id,
            extractions.c.student_id == extraction.student_id,
            extractions.c.catalog_version == extraction.catalog_version,
        )
        .order_by(extractions.c.revision.desc())
        .limit(1)
    )
    newest = found.one_or_none()
    if newest is not None and newest.content_hash == content_hash:
        return False
    key = {
        "school_id": school_id,
        "sitting_id": extraction.sitting_id,
        "student_id": extraction.student_id,
        "catalog_version": extraction.catalog_version,
        "revision": 1 if newest is None else newest.revision + 1,
    }
    await work.execute(
        insert(extractions).values(
            **key,
            source=extraction.source.value,
            extracted_at=at,
            fingerprint=extraction.fingerprint,
            content_hash=content_hash,
            absences=[{"indicator": a.indicator, "reason": a.reason.value} for a in extraction.absences],
        )
    )
    if extraction.observables:
        await work.execute(insert(observables), [key | _columns(o) for o in extraction.observables])
    return True


def _columns(observable: Observable) -> dict[str, object]:
    return {
        "indicator": observable.indicator,
        "observable_id": observable.observable_id,
        "source": observable.source.value,
        "at": observable.at,
        "value": observable.measured.value,
        "opportunities": observable.measured.opportunities,
        "counted": observable.measured.counted,
        "exposure": observable.measured.exposure,
        "rater_id": observable.rater_id,
        "moments": observable.measured.moments,
    }


def _newest(school_id: Any, catalog_version: Any, student: Any = None) -> Any:
    """The newest revision of each sitting and student of a school; of sittings that are copies, the first id.

    Of one student, when one is given: this is then found without a look at the others.
    """
    newest = (
        select(extractions)
        .where(extractions.c.school_id == school_id, extractions.c.catalog_version == catalog_version)
        .where(true() if student is None else extractions.c.student_id == student)
        .ext(distinct_on(extractions.c.sitting_id, extractions.c.student_id))
        .order_by(extractions.c.sitting_id, extractions.c.student_id, extractions.c.revision.desc())
        .subquery()
    )
    return (
        select(newest)
        .ext(distinct_on(newest.c.student_id, newest.c.source, newest.c.fingerprint))
        .order_by(newest.c.student_id, newest.c.source, newest.c.fingerprint, newest.c.sitting_id)
        .subquery()
    )


def _same(table: Any, newest: Any) -> Any:
    columns = ("school_id", "sitting_id", "student_id", "catalog_version", "revision")
    return and_(*(table.c[c] == newest.c[c] for c in columns))


async def current_observables(
    work: Work,
    school_id: UUID,
    catalog_version: str,
    *,
    students: Iterable[UUID] | None = None,
    moments: bool = True,
) -> dict[UUID, list[Observable]]:
    """Observables of the newest revisions by student, all of the school or of some students.

    Without moments they have none: arithmetic does not look at them, and they are most of what is stored.
    """
    newest = _newest(school_id, catalog_version)
    query = select(*(observables.c if moments else BARE)).join(newest, _same(observables, newest))
    if students is not None:
        query = query.where(newest.c.student_id.in_(list(students)))
    by_student: dict[UUID, list[Observable]] = {}
    for row in await work.execute(query):
        seen = msgspec.convert(row.moments, Moments, strict=False) if moments else ()
        by_student.setdefault(row.student_id, []).append(observable_of(row, seen))
    return by_student


BARE = [
    column
    for column in observables.c
    if column.name not in {"moments", "school_id", "catalog_version", "revision"}
]
"""Columns of an observable without its moments and without what the question names already."""


def current_of_student() -> Select[Any]:
    """`current_observables` of one student without moments, with the parameters school_id, catalog_version and
    student_id.
    """
    newest = _newest(bindparam("school_id"), bindparam("catalog_version"), bindparam("student_id"))
    return select(*BARE).join(newest, _same(observables, newest))


async def schools_with_outdated_sittings(work: Work, catalog_version: str) -> list[UUID]:
    """Schools with a sitting that another catalog version has seen and this one has not."""
    seen = extractions.alias()
    found = await work.execute(
        select(extractions.c.school_id)
        .where(
            extractions.c.catalog_version != catalog_version,
            ~select(seen.c.sitting_id)
            .where(
                seen.c.school_id == extractions.c.school_id,
                seen.c.sitting_id == extractions.c.sitting_id,
                seen.c.student_id == extractions.c.student_id,
                seen.c.catalog_version == catalog_version,
            )
            .exists(),
        )
        .distinct()
    )
    return list(found.scalars())


async def sittings_of(work: Work, school_id: UUID, source: Source) -> list[tuple[UUID, UUID]]:
    """(sitting, student) of everything that was ever extracted from a source in a school."""
    found = await work.execute(
        select(extractions.c.sitting_id, extractions.c.student_id)
        .where(extractions.c.school_id == school_id, extractions.c.source == source.value)
        .distinct()
        .order_by(extractions.c.sitting_id, extractions.c.student_id)
    )
    return [(row.sitting_id, row.student_id) for row in found]


async def students_with_extractions(work: Work, school_id: UUID) -> list[UUID]:
    """Students of whom anything was ever extracted, also when nothing of it counts any more."""
    found = await work.execute(
        select(extractions.c.student_id).where(extractions.c.school_id == school_id).distinct()
    )
    return list(found.scalars())


async def observables_by_id(work: Work, school_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Observable]:
    """Observables of any revision by id."""
    if not ids:
        return {}
    found = await work.execute(
        select(observables).where(observables.c.school_id == school_id, observables.c.observable_id.in_(list(ids)))
    )
    return {
        row.observable_id: observable_of(row, msgspec.convert(row.moments, Moments, strict=False)) for row in found
    }


async def current_absences(
    work: Work, school_id: UUID, catalog_version: str, student_id: UUID
) -> list[NotObserved]:
    """What could not be observed of one student, and why, in the newest revisions."""
    newest = _newest(school_id, catalog_version)
    found = await work.execute(
        select(extractions).join(newest, _same(extractions, newest)).where(newest.c.student_id == student_id)
    )
    return [
        NotObserved(
            indicator=absence["indicator"],
            student_id=row.student_id,
            source=Source(row.source),
            sitting_id=row.sitting_id,
            reason=Absence(absence["reason"]),
        )
        for row in found
        for absence in row.absences
    ]


async def absence_counts(work: Work, school_id: UUID, catalog_version: str) -> Mapping[tuple[str, str], int]:
    """How often each indicator was absent for each reason, in the newest revisions."""
    newest = _newest(school_id, catalog_version)
    found = await work.execute(select(extractions.c.absences).join(newest, _same(extractions, newest)))
    counts: dict[tuple[str, str], int] = {}
    for row in found:
        for absence in row.absences:
            key = (absence["indicator"], absence["reason"])
            counts[key] = counts.get(key, 0) + 1
    return counts


def observable_of(row: Any, moments: Moments) -> Observable:
    """A row of the table, by the names of its columns."""
    return Observable(
        observable_id=row.observable_id,
        indicator=row.indicator,
        student_id=row.student_id,
        source=Source(row.source),
        sitting_id=row.sitting_id,
        at=row.at,
        measured=Measured(
            value=row.value,
            opportunities=row.opportunities,
            moments=moments,
            counted=row.counted,
            exposure=row.exposure,
        ),
        rater_id=row.rater_id,
    )
