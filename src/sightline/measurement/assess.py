"""All students of one school at one time: observables in, assessments out, with nothing hidden in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from uuid import UUID

import numpy as np

from sightline.domain.estimates import Assessment, Estimate, Shortfall, SkillResult, Slope, Unscored
from sightline.domain.indicators import Indicator
from sightline.domain.observables import Observable
from sightline.domain.skills import SKILLS, Skill
from sightline.measurement.card import N_SKILLS, STATE, Array, Card
from sightline.measurement.items import SKILL_AXIS, Items, items_of, time_in_window
from sightline.measurement.levels import interval_90, level_name, level_probabilities
from sightline.measurement.norms import Norms
from sightline.measurement.one_by_one import (
    Information,
    Posterior,
    Severity,
    contributions,
    information,
    posterior,
    rater_adjustments,
    severity,
)
from sightline.measurement.sufficiency import (
    COMPARISON_HELPS,
    evidence_for,
    reliability,
    shortfalls,
    would_help,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all students of a school are assessed with."""

    indicators: Mapping[str, Indicator]
    norms: Norms
    card: Card
    catalog_version: str
    as_of: datetime
    computed_at: datetime


@dataclass(frozen=True, slots=True)
class _Student:
    items: Items
    info: Information
    state: Posterior
    flat: Posterior
    waiting: Mapping[Skill, Shortfall]


def target_now(skill: Skill) -> Array:
    """A of the level of a skill at the end of the window: alpha + 1 * beta."""
    target = np.zeros(STATE)
    target[SKILL_AXIS[skill]] = 1.0
    target[N_SKILLS + SKILL_AXIS[skill]] = 1.0
    return target


def assess(by_student: Mapping[UUID, Sequence[Observable]], frame: Frame) -> tuple[Assessment, ...]:
    """One assessment per student, in the order of student ids.

    Raters are shared among students, so all students of a school are taken together.
    """
    card = frame.card
    rater_names = tuple(
        sorted({o.rater_id for seen in by_student.values() for o in seen if o.rater_id is not None})
    )
    raters = {rater: i for i, rater in enumerate(rater_names)}
    students = sorted(by_student)
    all_items = [
        items_of(
            by_student[student],
            indicators=frame.indicators,
            norms=frame.norms,
            raters=raters,
            as_of=frame.as_of,
            card=card,
        )
        for student in students
    ]
    all_information = [information(items, len(raters)) for items in all_items]
    severities = severity(all_items, all_information, len(raters), card)
    assessments: list[Assessment] = []
    for student, items, info in zip(students, all_items, all_information, strict=True):
        seen = _Student(
            items=items,
            info=info,
            state=posterior(items, info, severities, card.prior_information, card),
            flat=posterior(items, info, severities, card.flat_slope_information, card),
            waiting=_waiting(by_student[student], frame),
        )
        assessments.append(
            Assessment(
                student_id=student,
                as_of=frame.as_of,
                computed_at=frame.computed_at,
                card_version=card.version,
                catalog_version=frame.catalog_version,
                norms_version=frame.norms.version,
                results=tuple(_result(skill, seen, severities, rater_names, frame) for skill in SKILLS),
            )
        )
    return tuple(assessments)


def _waiting(observables: Sequence[Observable], frame: Frame) -> dict[Skill, Shortfall]:
    """Skills whose only observables in the window cannot be compared, and why."""
    found: dict[Skill, Shortfall] = {}
    for observable in observables:
        if observable.indicator in frame.norms.by_indicator:
            continue
        if not 0.0 <= time_in_window(observable.at, frame.as_of, frame.card.weeks) <= 1.0:
            continue
        alike = observable.indicator in frame.norms.all_alike
        skill = frame.indicators[observable.indicator].skill
        if alike:
            found.setdefault(skill, Shortfall.ALL_ALIKE)
        else:
            found[skill] = Shortfall.NOBODY_TO_COMPARE_WITH
    return found


def _result(
    skill: Skill, seen: _Student, severities: Severity, rater_names: tuple[UUID, ...], frame: Frame
) -> SkillResult:
    card = frame.card
    target = target_now(skill)
    mean = float(target @ seen.state.mean)
    standard_error = sqrt(float(target @ seen.state.covariance @ target))
    evidence = evidence_for(skill, seen.items, seen.info, severities)
    reasons = shortfalls(target, evidence, seen.state.covariance, card)
    outcome: Estimate | Unscored
    slope = None
    if reasons:
        if reasons == (Shortfall.NO_EVIDENCE,) and skill in seen.waiting:
            reasons = (seen.waiting[skill],)
        outcome = Unscored(
            skill=skill,
            as_of=frame.as_of,
            reasons=reasons,
            would_help=(
                COMPARISON_HELPS
                if reasons[0] in seen.waiting.values()
                else would_help(skill, target, evidence, indicators=frame.indicators, norms=frame.norms, card=card)
            ),
        )
    else:
        probabilities = level_probabilities(mean, standard_error, card.cuts)
        outcome = Estimate(
            skill=skill,
            mean=mean,
            standard_error=standard_error,
            as_of=frame.as_of,
            reliability=reliability(target, seen.state.covariance, card),
            level_probabilities=probabilities,
            level_name=level_name(probabilities),
            interval_90=interval_90(mean, standard_error),
        )
        change = N_SKILLS + SKILL_AXIS[skill]
        slope = Slope(
            mean=float(seen.flat.mean[change]), standard_error=sqrt(float(seen.flat.covariance[change, change]))
        )
    return SkillResult(
        skill=skill,
        outcome=outcome,
        prior_mean=float(target @ card.prior_mean),
        contributions=contributions(target, SKILL_AXIS[skill], seen.items, seen.info, seen.state),
        rater_adjustments=rater_adjustments(target, seen.items, seen.state, severities, rater_names),
        slope=slope,
    )
