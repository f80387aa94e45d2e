"""A school of known truth, y = c + lam alpha + gam m + rho + u + e, and its skills as other sources see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from sightline.quality.matching import Floats, Index, Matching

SKILLS = 7
SOURCES = 3
SITTINGS = (6, 3, 3)
OM2 = (0.07, 0.07, 0.04)
TAU2 = 0.16
CLASS_SIZE = 25
FLAT = 100.0
SIGMA: Floats = np.full((SKILLS, SKILLS), 0.45) + 0.55 * np.eye(SKILLS)


@dataclass(frozen=True)
class School:
    """Observations (n); class, group and true skills (7) of each student (N); parameters of each indicator (J)."""

    y: Floats
    indicator: Index
    student: Index
    klass: Index
    group: Index
    truth: Floats
    lam: Floats
    gam: Floats
    c: Floats
    s2: Floats
    skill: Index
    source: Index
    severity: Floats
    cells: Floats = field(repr=False)  # mean of y: students x indicators

    @property
    def true_skill(self) -> Floats:
        """Of each observation."""
        return self.truth[self.student, self.skill[self.indicator]]

    def matching(
        self,
        without: frozenset[int] = frozenset(),
        aside: frozenset[tuple[int, int]] = frozenset(),
        prior: float = FLAT,
    ) -> Matching:
        """Skill from the other sources, without some indicators and without (class, source) pairs."""
        students = len(self.klass)
        shape = (students, SOURCES, SKILLS)
        mean, error = np.zeros(shape), np.full(shape, np.sqrt(prior))
        missing = [frozenset(s for k, s in aside if k == klass) for klass in range(int(self.klass.max()) + 1)]
        numbered = sorted(range(len(missing)), key=lambda klass: sorted(missing[klass]))
        for gone, classes in groupby(numbered, key=lambda klass: sorted(missing[klass])):
            members = np.flatnonzero(np.isin(self.klass, list(classes)))
            for own in range(SOURCES):
                used = [
                    j
                    for j in range(len(self.lam))
                    if self.source[j] != own and self.source[j] not in gone and j not in without
                ]
                if used:
                    found, covariance = self.posterior(used, prior * np.eye(SKILLS))
                    mean[members, own] = found[members]
                    error[members, own] = np.sqrt(np.diag(covariance))
        at = (self.student, self.source[self.indicator], self.skill[self.indicator])
        return Matching(mean[at], error[at], prior_variance=prior)

    def posterior(self, used: list[int], prior: Floats, *, honest: bool = True) -> tuple[Floats, Floats]:
        """Exact normal posterior of the skills (N x 7) and its covariance, from some indicators.

        What a student brings to a source, what a sitting has in common and the rater's severity are integrated
        out, or, for a control, taken for nothing.
        """
        skill, source = self.skill[used], self.source[used]
        count, on = len(used), float(honest)
        rows = np.arange(count)
        h = np.zeros((count, SKILLS + SOURCES + 1))
        h[rows, skill] = self.lam[used]
        h[rows, SKILLS + source] = on * self.gam[used]
        h[rows, -1] = on * (source == SOURCES - 1)
        sittings, om2 = np.array(SITTINGS)[source], on * np.array(OM2)[source]
        noise = np.diag(self.s2[used] / sittings) + (om2 / sittings)[:, None] * (source[:, None] == source)
        information = np.diag(np.r_[np.zeros(SKILLS), np.ones(SOURCES), 1 / TAU2])
        information[:SKILLS, :SKILLS] = np.linalg.inv(prior)
        weights = h.T @ np.linalg.inv(noise)
        covariance = np.linalg.inv(information + weights @ h).astype(np.float64)
        mean: Floats = (self.cells[:, used] - self.c[used]) @ weights.T @ covariance
        return mean[:, :SKILLS], covariance[:SKILLS, :SKILLS]


@dataclass(frozen=True)
class Faults:
    """What is wrong in a school.

    dif, slope_dif: shift and slope by indicator for group 1 against group 0; broken: shift of all y of a (class,
    source); halo: by class, added SD of what its teacher brings to all ratings of a student.
    """

    dif: Mapping[int, float] = field(default_factory=dict)
    slope_dif: Mapping[int, float] = field(default_factory=dict)
    broken: Mapping[tuple[int, int], float] = field(default_factory=dict)
    halo: Floats | None = None


SOUND = Faults()


def a_school(
    rng: np.random.Generator,
    students: int = 1000,
    faults: Faults = SOUND,
    *,
    impact: float = 0.0,
    class_spread: float = 0.0,
    share: float = 0.5,
) -> School:
    """12 game, 11 talk, 7 teacher indicators; `impact` (SD) lifts group 1 (a `share`) over 0 in every skill."""
    source = np.repeat(np.arange(SOURCES), (12, 11, 7))
    skill = np.concatenate([np.arange(12) % SKILLS, np.arange(11) % SKILLS, np.arange(7)])
    low, high = np.array([0.3, 0.3, 0.6])[source], np.array([0.5, 0.55, 0.75])[source]
    lam = rng.uniform(low, high)
    gam = np.array([0.3, 0.3, 0.4])[source]
    s2 = 1 - lam**2 - gam**2 - np.array(OM2)[source]
    s2 = np.maximum(s2 - np.where(source == SOURCES - 1, 0.1, 0.0), 0.2)
    c = rng.normal(0, 0.1, len(lam))
    klass = np.arange(students) // CLASS_SIZE
    classes = int(klass.max()) + 1
    group = (rng.random(students) < share).astype(np.intp)
    truth = rng.multivariate_normal(np.zeros(SKILLS), SIGMA, students, method="cholesky")
    truth += impact * (group - share)[:, None] + class_spread * rng.normal(size=(classes, SKILLS))[klass]
    method = rng.normal(size=(students, SOURCES))
    if faults.halo is not None:
        method[:, -1] *= np.sqrt(1 + (faults.halo[klass] / 0.4) ** 2)
    severity = rng.normal(0, np.sqrt(TAU2), classes)
    shift = np.zeros((classes, SOURCES))
    for (at, of), size in faults.broken.items():
        shift[at, of] = size
    mean = c + truth[:, skill] * lam + method[:, source] * gam + shift[klass][:, source]
    mean += severity[klass][:, None] * (source == SOURCES - 1)
    for j, size in faults.dif.items():
        mean[:, j] += size * (group - share)
    for j, size in faults.slope_dif.items():
        mean[:, j] += size * group * truth[:, skill[j]]
    values, students_of, indicators, cells = [], [], [], np.empty(mean.shape)
    for s in range(SOURCES):
        mine = np.flatnonzero(source == s)
        t = SITTINGS[s]
        sitting = rng.normal(0, np.sqrt(OM2[s]), (students, 1, t))
        drawn = mean[:, mine, None] + sitting
        drawn = drawn + rng.normal(size=drawn.shape) * np.sqrt(s2[mine])[None, :, None]
        cells[:, mine] = drawn.mean(2)
        values.append(drawn.ravel())
        students_of.append(np.repeat(np.arange(students), len(mine) * t))
        indicators.append(np.tile(np.repeat(mine, t), students))
    return School(
        y=np.concatenate(values),
        indicator=np.concatenate(indicators),
        student=np.concatenate(students_of),
        klass=klass,
        group=group,
        truth=truth,
        lam=lam,
        gam=gam,
        c=c,
        s2=s2,
        skill=skill,
        source=source,
        severity=severity,
        cells=cells,
    )


def without_groups(school: School, unknown: Index) -> School:
    """The same school where some students' group is not known."""
    group = school.group.copy()
    group[unknown] = -1
    return replace(school, group=group)
