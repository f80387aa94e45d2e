"""All students of one school at one time: observables in, assessments out, with nothing hidden in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np

from sightline.domain.estimates import Assessment, Contribution, Estimate, Shortfall, SkillResult, Slope, Unscored
from sightline.domain.indicators import Indicator
from sightline.domain.observables import Observable
from sightline.domain.skills import SKILLS, Skill
from sightline.errors import CardInvalid
from sightline.measurement.card import N_SKILLS, Array, Card
from sightline.measurement.contributions import LEVELS_NOW, Contributions
from sightline.measurement.items import SchoolItems, items_of, time_in_window
from sightline.measurement.levels import interval_90, level_name, level_probabilities
from sightline.measurement.norms import Norms
from sightline.measurement.observations import Floats, Index
from sightline.measurement.parameters import SKILL_AXIS, parameters_for
from sightline.measurement.severities import Severities
from sightline.measurement.sufficiency import COMPARISON_HELPS, shortfalls


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all students of a school are assessed with; a fitted card's own norms have to be the norms."""

    indicators: Mapping[str, Indicator]
    norms: Norms
    card: Card
    catalog_version: str
    as_of: datetime
    computed_at: datetime


@dataclass(frozen=True, slots=True)
class Assessed:
    """The assessments of a school's students, and the severities of its raters that they were made with."""

    assessments: tuple[Assessment, ...]
    severities: Severities


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What was computed for all students: arrays N x 7 but for the reasons, and the contributions."""

    items: SchoolItems
    mean: Floats
    standard_error: Floats
    reliability: Floats
    prior_mean: Floats
    slope: Floats
    slope_error: Floats
    moved: Contributions
    raters: Index
    severities: Severities
    reasons: Mapping[tuple[int, int], tuple[Shortfall, ...]]
    helps: Mapping[tuple[int, int], str]


def target_now(skill: Skill) -> Array:
    """A of the level of a skill at the end of the window: alpha + 1 * beta."""
    return LEVELS_NOW[SKILL_AXIS[skill]].weights


def assess(by_student: Mapping[UUID, Sequence[Observable]], frame: Frame) -> tuple[Assessment, ...]:
    """The assessments of `assess_school`."""
    return assess_school(by_student, frame).assessments


def assess_school(
    by_student: Mapping[UUID, Sequence[Observable]], frame: Frame, known: Severities | None = None
) -> Assessed:
    """One assessment per student, in the order of student ids.

    Raters are shared among students, so all students of a school are taken together; some students alone need
    the severities that are `known` from the school. Raises CardInvalid when a fitted card is given other norms
    than its own, or an indicator has changed since.
    """
    numbers = _numbers(by_student, frame, known)
    assessments = tuple(
        Assessment(
            student_id=student,
            as_of=frame.as_of,
            computed_at=frame.computed_at,
            card_version=frame.card.version,
            catalog_version=frame.catalog_version,
            norms_version=frame.norms.version,
            results=_results(i, by_student[student], numbers, frame),
        )
        for i, student in enumerate(numbers.items.students)
    )
    return Assessed(assessments, numbers.severities)


def _numbers(by_student: Mapping[UUID, Sequence[Observable]], frame: Frame, known: Severities | None) -> _Numbers:
    """All arithmetic of a school."""
    from sightline.measurement import advice, kernel, robust  # noqa: PLC0415 -- only who computes pays for numba
    from sightline.measurement.known_severity import KnownSeverity  # noqa: PLC0415 -- likewise

    card = frame.card
    if card.norms is not None and card.norms.version != frame.norms.version:
        raise CardInvalid(
            f"the card {card.version} was fitted with norms of its own; other norms give other levels"
        )
    items = items_of(
        by_student, indicators=frame.indicators, norms=frame.norms, as_of=frame.as_of, weeks=card.weeks
    )
    parameters = parameters_for(card, items.indicators, frame.norms)
    seen = items.observations
    solver = kernel if known is None else KnownSeverity(known.of(items.raters, parameters.tau2))
    solved = robust.solve_settled(seen, parameters, solver).solved
    flat = kernel.posterior(
        solved.information, parameters, n_raters=seen.n_raters, flat_slopes=True, severity=solved.severity
    )
    changes = np.arange(N_SKILLS, 2 * N_SKILLS)
    found = advice.standing(seen, parameters, solved, card)
    reasons = {
        (i, k): reason
        for i in range(seen.n_students)
        for k in range(N_SKILLS)
        if (reason := shortfalls(found, i, k, card))
    }
    pairs = list(reasons)
    helps = advice.would_help(
        pairs, found, seen, parameters, solved, indicators=frame.indicators, norms=frame.norms, card=card
    )
    return _Numbers(
        items=items,
        mean=solved.mean @ advice.TARGETS.T,
        standard_error=np.sqrt(advice.variances(solved, parameters, card.parameter_error)),
        reliability=found.reliability,
        prior_mean=advice.TARGETS @ parameters.prior_mean,
        slope=flat.mean[:, changes],
        slope_error=np.sqrt(flat.covariance[:, changes, changes]),
        moved=kernel.contributions(seen, parameters, solved),
        raters=solved.information.raters,
        severities=Severities(items.raters, solved.severity.mean, solved.severity.covariance),
        reasons=reasons,
        helps=dict(zip(pairs, helps, strict=True)),
    )


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


def _results(
    i: int, observables: Sequence[Observable], numbers: _Numbers, frame: Frame
) -> tuple[SkillResult, ...]:
    """The seven results of the i-th student."""
    items = numbers.items
    rows = slice(items.starts[i], items.starts[i + 1])
    amounts, direct = numbers.moved.of_items[rows].T.tolist(), numbers.moved.direct[rows].T.tolist()
    seen = items.observables[rows]
    named = (  # column by column: a school has millions of these
        [o.observable_id for o in seen],
        [o.indicator for o in seen],
        [o.source for o in seen],
        [o.sitting_id for o in seen],
    )
    raters = [(k, items.raters[r]) for k, r in enumerate(numbers.raters[i].tolist()) if r >= 0]
    of_raters = numbers.moved.of_raters[i].tolist()
    waiting = _waiting(observables, frame)
    results = []
    for k, skill in enumerate(SKILLS):
        outcome, slope = _outcome(i, k, waiting, numbers, frame)
        results.append(
            SkillResult(
                skill=skill,
                outcome=outcome,
                prior_mean=float(numbers.prior_mean[k]),
                contributions=tuple(map(Contribution, *named, direct[k], amounts[k])),
                rater_adjustments=tuple((rater, of_raters[place][k]) for place, rater in raters),
                slope=slope,
            )
        )
    return tuple(results)


def _outcome(
    i: int, k: int, waiting: Mapping[Skill, Shortfall], numbers: _Numbers, frame: Frame
) -> tuple[Estimate | Unscored, Slope | None]:
    """The i-th student's estimate of the k-th skill with its slope, or why there is none."""
    skill = SKILLS[k]
    reasons = numbers.reasons.get((i, k))
    if reasons is not None:
        if reasons == (Shortfall.NO_EVIDENCE,) and skill in waiting:
            return Unscored(skill, frame.as_of, (waiting[skill],), COMPARISON_HELPS), None
        return Unscored(skill, frame.as_of, reasons, numbers.helps[i, k]), None
    mean, standard_error = float(numbers.mean[i, k]), float(numbers.standard_error[i, k])
    probabilities = level_probabilities(mean, standard_error, frame.card.cuts)
    estimate = Estimate(
        skill=skill,
        mean=mean,
        standard_error=standard_error,
        as_of=frame.as_of,
        reliability=float(numbers.reliability[i, k]),
        level_probabilities=probabilities,
        level_name=level_name(probabilities),
        interval_90=interval_90(mean, standard_error),
    )
    return estimate, Slope(mean=float(numbers.slope[i, k]), standard_error=float(numbers.slope_error[i, k]))
