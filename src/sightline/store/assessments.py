"""Assessments and norms: appended when they differ from the newest, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ScalarSelect, Select, Table, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from sightline.domain.estimates import (
    Assessment,
    AssessmentHead,
    Contribution,
    Estimate,
    SkillResult,
    SkillSummary,
    Slope,
    Unscored,
)
from sightline.domain.skills import Source
from sightline.store.database import Work
from sightline.store.schema import assessments, cards, norms, quarantines


class _Item(msgspec.Struct, array_like=True):
    """One observable of the exact sum; its seven amounts stand in the results."""

    observable_id: UUID
    indicator: str
    source: Source
    sitting_id: UUID


class _Result(msgspec.Struct):
    skill: str
    estimate: Estimate | None
    unscored: Unscored | None
    prior_mean: float
    amounts: list[float]
    direct: list[bool]
    rater_adjustments: list[tuple[UUID, float]]
    slope: Slope | None


class _Summary(msgspec.Struct):
    """The row's form of one skill's summary."""

    estimate: Estimate | None
    unscored: Unscored | None
    borrowed_share: float | None
    slope: Slope | None


class _Body(msgspec.Struct):
    """The row's form of an assessment: items once, amounts per skill, 14 kB for a hundred items."""

    items: list[_Item]
    results: list[_Result]


def _body(assessment: Assessment) -> _Body:
    items = [
        _Item(c.observable_id, c.indicator, c.source, c.sitting_id) for c in assessment.results[0].contributions
    ]
    return _Body(
        items=items,
        results=[
            _Result(
                skill=result.skill.value,
                estimate=result.outcome if isinstance(result.outcome, Estimate) else None,
                unscored=result.outcome if isinstance(result.outcome, Unscored) else None,
                prior_mean=result.prior_mean,
                amounts=[c.amount for c in result.contributions],
                direct=[c.direct for c in result.contributions],
                rater_adjustments=list(result.rater_adjustments),
                slope=result.slope,
            )
            for result in assessment.results
        ],
    )


def _summaries(assessment: Assessment) -> list[_Summary]:
    return [
        _Summary(
            estimate=s.outcome if isinstance(s.outcome, Estimate) else None,
            unscored=s.outcome if isinstance(s.outcome, Unscored) else None,
            borrowed_share=s.borrowed_share,
            slope=s.slope,
        )
        for s in assessment.head.skills
    ]


def _outcome(estimate: Estimate | None, unscored: Unscored | None) -> Estimate | Unscored:
    outcome = estimate if estimate is not None else unscored
    if outcome is None:
        raise ValueError("a stored result has neither an estimate nor a reason why there is none")
    return outcome


def _result(items: Sequence[_Item], stored: _Result) -> SkillResult:
    outcome = _outcome(stored.estimate, stored.unscored)
    return SkillResult(
        skill=outcome.skill,
        outcome=outcome,
        prior_mean=stored.prior_mean,
        contributions=tuple(
            Contribution(
                observable_id=item.observable_id,
                indicator=item.indicator,
                source=item.source,
                sitting_id=item.sitting_id,
                direct=direct,
                amount=amount,
            )
            for item, amount, direct in zip(items, stored.amounts, stored.direct, strict=True)
        ),
        rater_adjustments=tuple(stored.rater_adjustments),
        slope=stored.slope,
    )


async def add_assessments(work: Work, school_id: UUID, new: Sequence[Assessment]) -> int:
    """Append those whose content differs from the newest of the same student; return how many."""
    newest = await work.execute(
        select(assessments.c.student_id, assessments.c.content_hash)
        .where(assessments.c.school_id == school_id)
        .ext(distinct_on(assessments.c.student_id))
        .order_by(assessments.c.student_id, assessments.c.entry.desc())
    )
    known = {row.student_id: row.content_hash for row in newest}
    rows: list[dict[str, object]] = []
    for assessment in new:
        row = row_of(school_id, assessment)
        if known.get(assessment.student_id) != row["content_hash"]:
            rows.append(row)
    if rows:
        await work.execute(insert(assessments), rows)
    return len(rows)


def row_of(school_id: UUID, assessment: Assessment) -> dict[str, object]:
    """The columns of an assessment's row, summary and body encoded.

    The content hash is of all that an assessment says; when it was computed is not part of that.
    """
    summary, body = msgspec.json.encode(_summaries(assessment)), msgspec.json.encode(_body(assessment))
    versions = (assessment.card_version, assessment.catalog_version, assessment.norms_version)
    said = msgspec.json.encode((assessment.student_id, assessment.as_of, *versions))
    return {
        "school_id": school_id,
        "student_id": assessment.student_id,
        "as_of": assessment.as_of,
        "computed_at": assessment.computed_at,
        "card_version": assessment.card_version,
        "catalog_version": assessment.catalog_version,
        "norms_version": assessment.norms_version,
        "content_hash": hashlib.sha256(said + summary + body).digest(),
        "summary": msgspec.Raw(summary),
        "body": msgspec.Raw(body),
    }


async def newest_assessments(work: Work, school_id: UUID, student_ids: Sequence[UUID]) -> dict[UUID, Assessment]:
    """The newest assessment of each given student that has one."""
    if not student_ids:
        return {}
    found = await work.execute(
        select(assessments)
        .where(assessments.c.school_id == school_id, assessments.c.student_id.in_(student_ids))
        .ext(distinct_on(assessments.c.student_id))
        .order_by(assessments.c.student_id, assessments.c.entry.desc())
    )
    return {row.student_id: _assessment(row) for row in found}


async def newest_heads(work: Work, school_id: UUID, student_ids: Sequence[UUID]) -> dict[UUID, AssessmentHead]:
    """The newest assessment of each given student that has one, without the sums behind it."""
    if not student_ids:
        return {}
    found = await work.execute(
        select(assessments.c.student_id, assessments.c.as_of, assessments.c.computed_at, assessments.c.summary)
        .where(assessments.c.school_id == school_id, assessments.c.student_id.in_(student_ids))
        .ext(distinct_on(assessments.c.student_id))
        .order_by(assessments.c.student_id, assessments.c.entry.desc())
    )
    heads: dict[UUID, AssessmentHead] = {}
    for row in found:
        stored = msgspec.convert(row.summary, list[_Summary], strict=False)
        skills = []
        for one in stored:
            outcome = _outcome(one.estimate, one.unscored)
            skills.append(SkillSummary(outcome.skill, outcome, one.borrowed_share, one.slope))
        heads[row.student_id] = AssessmentHead(as_of=row.as_of, computed_at=row.computed_at, skills=tuple(skills))
    return heads


async def past_assessments(work: Work, school_id: UUID, student_id: UUID) -> list[Assessment]:
    """One student's assessments, newest first, the last one of each day that the evidence reached."""
    found = await work.execute(
        select(assessments)
        .where(assessments.c.school_id == school_id, assessments.c.student_id == student_id)
        .ext(distinct_on(assessments.c.as_of))
        .order_by(assessments.c.as_of.desc(), assessments.c.entry.desc())
    )
    return [_assessment(row) for row in found]


def _assessment(row: Any) -> Assessment:
    body = msgspec.convert(row.body, _Body, strict=False)
    return Assessment(
        student_id=row.student_id,
        as_of=row.as_of,
        computed_at=row.computed_at,
        card_version=row.card_version,
        catalog_version=row.catalog_version,
        norms_version=row.norms_version,
        results=tuple(_result(body.items, result) for result in body.results),
    )


async def add_norms(
    work: Work,
    school_id: UUID,
    *,
    version: str,
    catalog_version: str,
    body: Mapping[str, object],
    at: datetime,
) -> None:
    """Keep the norms that assessments name, once per version."""
    there = await work.execute(
        select(norms.c.entry)
        .where(
            norms.c.school_id == school_id,
            norms.c.version == version,
            norms.c.catalog_version == catalog_version,
        )
        .limit(1)
    )
    if there.scalar_one_or_none() is None:
        await work.execute(
            insert(norms).values(
                school_id=school_id,
                version=version,
                catalog_version=catalog_version,
                computed_at=at,
                body=body,
            )
        )


class Mark(NamedTuple):
    """Newest entries of what all of a school's assessments are made with; None where there is none."""

    norms: int | None
    card: int | None
    quarantine: int | None


def newest_mark() -> Select[int | None, int | None, int | None]:
    """The mark of a school, with the parameter school_id."""

    def newest(table: Table) -> ScalarSelect[int | None]:
        return select(func.max(table.c.entry)).where(table.c.school_id == bindparam("school_id")).scalar_subquery()

    return select(newest(norms), newest(cards), newest(quarantines))


async def mark_of(work: Work, school_id: UUID) -> Mark:
    """Which norms, card and decisions about sources are a school's newest."""
    return Mark(*(await work.execute(newest_mark(), {"school_id": school_id})).one())
