"""Observations of a school as the checks of `quality` look at them: each skill as the other sources see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from sightline.domain.observables import Observable
from sightline.domain.skills import SOURCES
from sightline.measurement import kernel, robust
from sightline.measurement.assess import Frame
from sightline.measurement.card import N_SKILLS
from sightline.measurement.items import SchoolItems, items_of
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.parameters import parameters_for
from sightline.measurement.posterior import Solved
from sightline.quality.matching import Flags, Matching

FLAT = 100.0
"""Prior variance of each level, without correlations, for comparing: SD 10 is flat, and takes nobody's side."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A school's usable observations with the parameters that they are read with."""

    items: SchoolItems
    parameters: Parameters

    @property
    def observations(self) -> Observations:
        return self.items.observations


def compared_of(by_student: Mapping[UUID, Sequence[Observable]], frame: Frame) -> Compared:
    """The observations inside the window of the frame."""
    items = items_of(
        by_student, indicators=frame.indicators, norms=frame.norms, as_of=frame.as_of, weeks=frame.card.weeks
    )
    return Compared(items, parameters_for(frame.card, items.indicators, frame.norms))


def some(observations: Observations, chosen: Flags) -> Observations:
    """Those observations; students, sittings and raters keep their numbers."""
    columns = ("student", "sitting", "indicator", "time", "y", "sampling_variance", "rater", "task")
    return replace(observations, **{name: getattr(observations, name)[chosen] for name in columns})


def matching_without(of: Compared, gone: Flags) -> Matching:
    """Each observation's skill at its time from the other sources, without the observations that are gone."""
    o, parameters = of.observations, of.parameters
    source = parameters.source[o.indicator]
    mean, error = np.zeros(len(o.y)), np.zeros(len(o.y))
    for own in range(len(SOURCES)):
        rows = source == own
        if rows.any():
            mean[rows], error[rows] = skill_at(of, solved_without_source(of, own, gone), rows)
    skill = parameters.skill[o.indicator]
    spread = np.diag(parameters.sigma)[N_SKILLS + skill]
    return Matching(
        mean=mean,
        standard_error=error,
        prior_variance=FLAT + o.time**2 * spread,
        prior_mean=o.time * parameters.mu_beta[skill],
    )


def solved_without_source(of: Compared, source: int, gone: Flags) -> Solved:
    """All states with a flat prior on levels, from the sources but one and without the observations gone."""
    o, parameters = of.observations, of.parameters
    sigma = parameters.sigma.copy()
    sigma[:N_SKILLS, :] = sigma[:, :N_SKILLS] = 0.0
    sigma[:N_SKILLS, :N_SKILLS] = FLAT * np.eye(N_SKILLS)
    others = some(o, (parameters.source[o.indicator] != source) & ~gone)
    return robust.solve_settled(others, replace(parameters, sigma=sigma), kernel).solved


def skill_at(of: Compared, solved: Solved, rows: Flags) -> tuple[Floats, Floats]:
    """Mean and standard error of the chosen observations' skill at their time, from some posterior."""
    o = of.observations
    student, time = o.student[rows], o.time[rows]
    level = of.parameters.skill[o.indicator[rows]]
    change = N_SKILLS + level
    mean = solved.mean[student, level] + time * solved.mean[student, change]
    p = solved.covariance
    variance = (
        p[student, level, level] + 2 * time * p[student, level, change] + time**2 * p[student, change, change]
    )
    return mean, np.sqrt(variance)
