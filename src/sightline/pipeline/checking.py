"""Whether the measurement of one school is any good: everything that `quality` can say of its database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np

from sightline.domain.estimates import AssessmentHead, Estimate
from sightline.domain.skills import SKILLS, SOURCES, Source
from sightline.errors import NotFound
from sightline.features.catalog import CATALOG_VERSION
from sightline.measurement import kernel, robust
from sightline.measurement.card import N_SKILLS
from sightline.measurement.posterior import Solved
from sightline.pipeline import guarding
from sightline.pipeline.cards import card_of
from sightline.pipeline.comparing import Compared as Observed
from sightline.pipeline.comparing import compared_of, matching_without, solved_without_source
from sightline.pipeline.leaving_out import predicted_without_sitting
from sightline.pipeline.scoring import frame_of, without_set_aside
from sightline.quality.dif import Compared, Purified, purified_dif
from sightline.quality.fit_checks import Drift, LeftOut, Pit, Predicted, drift, left_out, pit
from sightline.quality.matching import MOST_VARIANCE, Floats, Index
from sightline.quality.monitor import Monitored
from sightline.quality.raters import RaterReport, Ratings, rater_reports
from sightline.quality.reliability import Reliability, empirical_reliability
from sightline.store import assessments, evidence, growth, people
from sightline.store.database import Work
from sightline.store.people import School

WEEKS_OF_DRIFT = 2
"""Length of the times between which an indicator may drift."""


@dataclass(frozen=True, slots=True)
class Health:
    """Do predictions hold for sittings that were left out, and do indicators keep their meaning over the weeks."""

    pit: Pit
    left_out: LeftOut
    drift: tuple[Drift, ...]
    indicators: tuple[str, ...]
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fairness:
    """DIF between groups (names in the order of their numbers) per indicator."""

    purified: Purified
    indicators: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything of one school. health and raters are None and empty without observations in the window.

    classes: titles in the order of the monitor's numbers; raters: each teacher's own report, for that teacher
    alone; levels_per_sd: rubric levels in one SD of ratings.
    """

    school: School
    as_of: datetime
    card_version: str
    students: int
    observations: int
    reliability: tuple[Reliability, ...]
    monitored: Monitored
    classes: tuple[str, ...]
    health: Health | None
    fairness: Fairness | None
    raters: tuple[tuple[str, UUID, RaterReport], ...]
    levels_per_sd: float


async def report_of(work: Work, school_id: UUID, *, groups: Mapping[UUID, str] | None, now: datetime) -> Report:
    """Raises NotFound for a school that is not there. groups: of students, given for this report and not kept."""
    school = await people.school_of(work, school_id)
    if school is None:
        raise NotFound(f"there is no school {school_id}")
    seen = await evidence.current_observables(work, school_id, CATALOG_VERSION, moments=False)
    classes = await growth.enrolled(work, school_id)
    card = await card_of(work, school_id)
    frame = frame_of(seen, card, now)
    watched = guarding.watched(seen, classes, frame)
    counting = without_set_aside(seen, classes, watched.set_aside)
    observed = compared_of(counting, frame)
    titles = {roll.class_id: roll.title for roll in await people.class_rolls(work, school_id)}
    staff = {staff_id: name for staff_id, name, _ in await people.staff_of(work, school_id)}
    heads = await assessments.newest_heads(work, school_id, sorted(seen))
    o = observed.observations
    return Report(
        school=school,
        as_of=frame.as_of,
        card_version=card.version,
        students=len(np.unique(o.student)),
        observations=len(o.y),
        reliability=_reliability(heads),
        monitored=watched.monitored,
        classes=tuple(titles[class_id] for class_id in watched.classes),
        health=_health(observed, frame.card.weeks) if len(o.y) else None,
        fairness=None if groups is None else _fairness(observed, groups),
        raters=tuple((staff.get(rater, "a former teacher"), rater, report) for rater, report in _raters(observed)),
        levels_per_sd=_levels_per_sd(observed, frame.norms.by_indicator),
    )


def _reliability(heads: Mapping[UUID, AssessmentHead]) -> tuple[Reliability, ...]:
    """Of the newest estimates that people see."""
    shape = (len(heads), len(SKILLS))
    mean, error = np.full(shape, np.nan), np.full(shape, np.nan)
    for i, head in enumerate(heads.values()):
        for summary in head.skills:
            if isinstance(summary.outcome, Estimate):
                at = (i, SKILLS.index(summary.skill))
                mean[at], error[at] = summary.outcome.mean, summary.outcome.standard_error
    return empirical_reliability(mean, error)


def _solved(of: Observed) -> Solved:
    return robust.solve_settled(of.observations, of.parameters, kernel).solved


def _health(of: Observed, weeks: float) -> Health:
    o = of.observations
    predicted = predicted_without_sitting(of, _solved(of).severity)
    many = max(int(weeks // WEEKS_OF_DRIFT), 1)
    window = np.minimum((o.time * many).astype(np.intp), many - 1)
    names = tuple(f"weeks {int(w * weeks / many) + 1} to {int((w + 1) * weeks / many)}" for w in range(many))
    return Health(
        pit=pit(predicted),
        left_out=left_out(predicted),
        drift=_drift(predicted, o.indicator, window),
        indicators=tuple(indicator.name for indicator in of.items.indicators),
        windows=names,
    )


def _drift(predicted: Predicted, indicator: Index, window: Index) -> tuple[Drift, ...]:
    return drift(predicted.observed - predicted.mean, indicator, window, predicted.student)


def _fairness(of: Observed, groups: Mapping[UUID, str]) -> Fairness:
    """Raises BadInput when the students here are of fewer than two groups."""
    names = tuple(sorted(set(groups.values())))
    number = {name: i for i, name in enumerate(names)}
    group = np.array([number.get(groups.get(s, ""), -1) for s in of.items.students], dtype=np.intp)
    o = of.observations
    data = Compared(y=o.y, indicator=o.indicator, student=o.student, group=group, cluster=np.arange(o.n_students))
    purified = purified_dif(
        data,
        of.parameters.skill,
        lambda out: matching_without(of, np.isin(o.indicator, sorted(out))),
    )
    return Fairness(purified, tuple(indicator.name for indicator in of.items.indicators), names)


def _raters(of: Observed) -> list[tuple[UUID, RaterReport]]:
    """One report a rater, with theta from play and talk."""
    o, parameters = of.observations, of.parameters
    rated = np.flatnonzero(o.rater >= 0)
    if not len(rated):
        return []
    severity = _solved(of).severity
    others = solved_without_source(of, SOURCES.index(Source.TEACHER), np.zeros(len(o.y), dtype=np.bool_))
    _, row = np.unique(o.sitting[rated] * o.n_raters + o.rater[rated], return_inverse=True)
    many = int(row.max()) + 1
    student, rater, time = np.zeros(many, np.intp), np.zeros(many, np.intp), np.zeros(many)
    student[row], rater[row], time[row] = o.student[rated], o.rater[rated], o.time[rated]
    skill, lam = parameters.skill[o.indicator[rated]], np.zeros((many, N_SKILLS))
    lam[row, skill] = parameters.lam[o.indicator[rated]]
    mean, covariance = _levels_at(others, student, time)
    residual = np.full((many, N_SKILLS), np.nan)
    residual[row, skill] = o.y[rated] - parameters.c[o.indicator[rated]]
    residual -= lam * mean
    unknown = np.diagonal(covariance, axis1=1, axis2=2) > MOST_VARIANCE
    residual[unknown] = np.nan
    reports = rater_reports(
        Ratings(
            residual=residual,
            theta_error=covariance * lam[:, :, None] * lam[:, None, :],
            student=student,
            rater=rater,
        ),
        severity.mean,
        np.sqrt(np.diag(severity.covariance)),
    )
    return [(of.items.raters[report.rater], report) for report in reports]


def _levels_at(solved: Solved, student: Index, time: Floats) -> tuple[Floats, Floats]:
    """Mean (n x 7) and covariance (n x 7 x 7) of the levels of students at times."""
    level, change = slice(0, N_SKILLS), slice(N_SKILLS, 2 * N_SKILLS)
    t = time[:, None]
    mean = solved.mean[student, level] + t * solved.mean[student, change]
    p = solved.covariance[student]
    cross = p[:, level, change]
    t = t[:, :, None]
    covariance = p[:, level, level] + t * (cross + np.swapaxes(cross, 1, 2)) + t**2 * p[:, change, change]
    return mean, covariance


def _levels_per_sd(of: Observed, norms: Mapping[str, object]) -> float:
    """Rubric levels in one SD of ratings, over the rubric's items; 1 without any."""
    spreads = [
        getattr(norms[indicator.name], "spread", 1.0)
        for indicator in of.items.indicators
        if indicator.source is Source.TEACHER
    ]
    return float(np.mean(spreads)) if spreads else 1.0
