"""Who grew: class x skill, then students overall, then the skills of selected students, each level at its q.

The estimand of a class is the mean change of the very students who are counted. How far they differ from one
another is part of what happened and no error; errors that they share are (severity, the class's own level, a shock
of the class where its variance is given).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.special import ndtr

from sightline.domain.changes import Finding, TooFew
from sightline.growth.changes import N_SKILLS, Bools, Changes, Floats, Index
from sightline.growth.class_level import class_levels, moved_by
from sightline.growth.discovery import Discoveries, discoveries, discoveries_inside
from sightline.growth.findings import (
    SMALLEST_CLASS,
    SMALLEST_OVERALL,
    WORTH_SAYING,
    verdict_of,
)
from sightline.growth.power import smallest_visible

Q = 0.05
"""False-discovery rate of each level (the model's reporting rules)."""


@dataclass(frozen=True, slots=True)
class Tested:
    """One level; all arrays of one shape: C x 7 for classes, N for students, N x 7 for their skills.

    change, standard_error: SD per window; p: two-sided, of no change; q, found: see `Discoveries`;
    probability_of_rise: P(change > 0); smallest_visible: the change (SD) that would have been announced with a
    power of .80; counted: students (of a class) or skills (of a student) in the mean; tested: False where too few.
    """

    change: Floats
    standard_error: Floats
    p: Floats
    q: Floats
    found: Bools
    probability_of_rise: Floats
    smallest_visible: Floats
    counted: Index
    tested: Bools

    @property
    def grew(self) -> Bools:
        """What may be called growth."""
        return self.found & (self.change >= WORTH_SAYING)

    @property
    def declined(self) -> Bools:
        """What may be called a decline."""
        return self.found & (self.change <= -WORTH_SAYING)

    def at(self, *place: int) -> Finding | TooFew:
        """One finding, such as `classes.at(c, k)`."""
        if not self.tested[place]:
            return TooFew(int(self.counted[place]))
        rise, smallest = float(self.probability_of_rise[place]), float(self.smallest_visible[place])
        return Finding(
            change=float(self.change[place]),
            standard_error=float(self.standard_error[place]),
            p=float(self.p[place]),
            q=None if np.isnan(self.q[place]) else float(self.q[place]),
            probability_of_rise=rise,
            smallest_visible=smallest,
            counted=int(self.counted[place]),
            verdict=verdict_of(
                grew=bool(self.grew[place]),
                declined=bool(self.declined[place]),
                probability_of_rise=rise,
                smallest_visible=smallest,
            ),
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """All three levels of one school and window. `selected`: students (N) whose skills were tested one by one."""

    classes: Tested
    students: Tested
    skills: Tested
    selected: Bools


def growth_of(changes: Changes, q: float = Q) -> Growth:
    """Test the three levels in order. With no students or no classes the levels are empty."""
    classes = class_tests(changes, q)
    students = student_tests(changes, q)
    selected = students.found
    return Growth(classes, students, skill_tests(changes, selected, int(students.tested.sum()), q), selected)


def class_tests(changes: Changes, q: float = Q) -> Tested:
    """The mean change of each class in each skill, all classes and skills of the school as one family."""
    shape = (len(changes.members), N_SKILLS)
    change, variance = np.full(shape, np.nan), np.full(shape, np.nan)
    counted = np.zeros(shape, dtype=np.intp)
    own_levels = None if changes.levels is None else class_levels(changes.levels, changes.members)
    for c, rows in enumerate(changes.members):
        if len(rows) == 0:
            continue
        weight, change[c], variance[c] = _class_means(changes, rows)
        counted[c] = (weight > 0).sum(axis=0)
        if changes.levels is not None and own_levels is not None:
            moved = moved_by(changes.levels, rows, weight)
            change[c] += moved @ own_levels.mean[c]
            variance[c] += np.diag(moved @ own_levels.covariance[c] @ moved.T)
        if changes.class_error is not None:
            variance[c] += np.diag(changes.class_error[c])
    spread = None if changes.spread is None else np.diag(changes.spread)[None, :]
    return _tested(change, variance, counted, counted >= SMALLEST_CLASS, spread, q)


def student_tests(changes: Changes, q: float = Q) -> Tested:
    """The mean change of each student over the skills that carry evidence, all students as one family."""
    chosen = counted_skills(changes)
    counted = chosen.sum(axis=1)
    weight = chosen / counted[:, None]
    change = (weight * changes.mean).sum(axis=1)
    variance = np.einsum("ik,ikl,il->i", weight, changes.covariance, weight)
    spread = None
    if changes.spread is not None:
        spread = np.einsum("ik,kl,il->i", weight, changes.spread, weight)
    return _tested(change, variance, counted, np.ones(len(change), dtype=bool), spread, q)


def skill_tests(changes: Changes, selected: Bools, candidates: int, q: float = Q) -> Tested:
    """Each skill of each student: found only inside selected students (N), at q times the share selected.

    candidates: students who could have been selected. For students not selected, `smallest_visible` is that of a
    single test, the most that could have been hoped for.
    """
    variance = np.diagonal(changes.covariance, axis1=1, axis2=2)
    spread = None if changes.spread is None else np.diag(changes.spread)[None, :]
    everywhere = np.ones(variance.shape, dtype=bool)
    p = _two_sided(changes.mean / np.sqrt(variance))
    inside = discoveries_inside(p, selected, candidates, q)
    alone = Discoveries(inside.q, inside.found, np.where(selected[:, None], inside.reached, q))
    return _finish(
        changes.mean, np.sqrt(variance), p, alone, np.ones(variance.shape, dtype=np.intp), everywhere, spread
    )


def counted_skills(changes: Changes) -> Bools:
    """Which skills of each student (N x 7) make up the mean of `student_tests`: those that carry evidence."""
    return counted_in(np.diagonal(changes.covariance, axis1=1, axis2=2), SMALLEST_OVERALL)


def counted_in(variances: Floats, at_least: int) -> Bools:
    """Which of each row's n members (M x n) make its mean most certain: the surest, at_least so many.

    Only exposure decides, never the outcome. Members are left out when their own error would make the mean's
    error larger: one student with almost no evidence must not drown a class.
    """
    size = variances.shape[1]
    order = np.argsort(variances, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(variances, order, axis=1), axis=1)
    error = sums / np.arange(1, size + 1) ** 2
    error[:, : min(at_least, size) - 1] = np.inf
    last = np.argmin(error, axis=1)
    chosen = np.zeros(variances.shape, dtype=bool)
    np.put_along_axis(chosen, order, np.arange(size) <= last[:, None], axis=1)
    return chosen


def _class_means(changes: Changes, rows: Index) -> tuple[Floats, Floats, Floats]:
    """Weight of each student (students x 7), mean change and its error variance (7), of one class."""
    variances = np.diagonal(changes.covariance[rows], axis1=1, axis2=2)
    # a sentence about a class is about half of it at least
    chosen = counted_in(variances.T, max(SMALLEST_CLASS, ceil(len(rows) / 2))).T
    weight: Floats = chosen / chosen.sum(axis=0)
    mean = (weight * changes.mean[rows]).sum(axis=0)
    variance = (weight**2 * variances).sum(axis=0)
    for term in changes.shared:
        gain = term.gain[rows]
        own = np.einsum("ikf,fg,ikg->ik", gain, term.covariance, gain)
        together = np.einsum("ik,ikf->kf", weight, gain)
        variance += np.einsum("kf,fg,kg->k", together, term.covariance, together) - (weight**2 * own).sum(axis=0)
    return weight, mean, variance


def _two_sided(z: Floats) -> Floats:
    two_sided: Floats = 2.0 * ndtr(-np.abs(z))
    return two_sided


def _tested(
    change: Floats, variance: Floats, counted: Index, tested: Bools, spread: Floats | None, q: float
) -> Tested:
    error = np.sqrt(variance)
    p = _two_sided(change / error)
    return _finish(change, error, p, discoveries(p, tested, q), counted, tested, spread)


def _finish(
    change: Floats,
    error: Floats,
    p: Floats,
    found: Discoveries,
    counted: Index,
    tested: Bools,
    spread: Floats | None,
) -> Tested:
    # with a prior N(0, spread) of the true change, z shrinks by the root of the reliability of the change
    shrink = 1.0 if spread is None else np.sqrt(spread / (spread + error**2))
    rise: Floats = ndtr(shrink * change / error)
    seen = np.where(tested, found.reached, 1.0)
    return Tested(
        change=change,
        standard_error=error,
        p=p,
        q=found.q,
        found=found.found,
        probability_of_rise=rise,
        smallest_visible=np.where(tested, smallest_visible(error, p_at_most=seen, at_least=WORTH_SAYING), np.inf),
        counted=counted,
        tested=tested,
    )
