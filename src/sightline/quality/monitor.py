"""Class x source monitor: a source that is broken in one class shifts the whole class, and is set aside there.

What a source says in a class is compared with what the other sources say of the same students: the class mean of
y - c against the class mean of lam theta. Classes differ less than students, so the prediction is drawn in by a
slope b between 0 and 1, found over the classes (0 where classes are alike, near 1 where they truly differ). What
is left is compared with the median class, in units of its standard error, which holds the class's sampling, the
error of theta, and how far sound classes differ anyway (severity of raters, what a class is used to). Slope,
median and spread are robust, so that one class in five may be broken.

A broken source also makes the *others* look wrong, because theta leans on it; therefore only the worst source of
a class is set aside at a time, theta is computed again without it, and at the end each one that was set aside is
judged again. Where two sources are left and each contradicts the other, both are undecided.

A shift in the ratings of one teacher is severity, which the model takes out: such a class is no outlier here
unless it lies far outside the spread of all teachers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.stats import norm, siegelslopes
from scipy.stats import t as student_t

from sightline.errors import BadInput
from sightline.quality.matching import Evidence, Flags, Floats, Index, Matching

LIMIT = 3.0
"""Standard errors from the median class beyond which a source is set aside (measurement.md)."""

LEAST_STUDENTS = 5
"""Students of a class with evidence from this source and from another; fewer are no class mean."""

LEAST_CLASSES = 5
"""Classes without which there is no median class to compare with."""

MAD_TO_SD = 1.4826
"""SD of a normal distribution over its median absolute deviation."""

MAD_EFFICIENCY = 0.37
"""Of the median absolute deviation for normal data (Rousseeuw & Croux 1993): n classes count as .37 n."""

PEOPLE_DIFFER = 0.15
"""First guess of the variance between students' means that neither skill nor theta's error explains, in SD^2 of
an indicator (gam^2 and one sitting, from the literature card). Only relative weights depend on it: the scale is
estimated."""

NOISE = 0.75
"""First guess of one observation's residual variance, likewise."""


class Cell(StrEnum):
    """What is known of one source in one class."""

    FINE = "fine"
    SET_ASIDE = "set_aside"
    UNDECIDED = "undecided"
    NOT_ENOUGH = "not_enough"


@dataclass(frozen=True, slots=True)
class Watched:
    """Observations of many classes. y, student, indicator: length n; klass: one entry for each student.

    By indicator: c, lam, intercept and loading; source, index of its source.
    """

    y: Floats
    student: Index
    indicator: Index
    klass: Index
    c: Floats
    lam: Floats
    source: Index


@dataclass(frozen=True, slots=True)
class Reading:
    """One source in one class: shift against the median class (SD of an indicator), its error, and the verdict.

    z: how unusual the shift is, as a standard normal deviate; it allows for a spread that is known from a few
    classes only, and so is a little below shift / standard_error. All three are None when there is not enough.
    """

    klass: int
    source: int
    students: int
    shift: float | None
    standard_error: float | None
    z: float | None
    cell: Cell


@dataclass(frozen=True, slots=True)
class Monitored:
    """All readings by class and source, and the (class, source) pairs to leave out of the scores."""

    readings: tuple[Reading, ...]
    set_aside: frozenset[tuple[int, int]]
    rounds: int


@dataclass(frozen=True, slots=True)
class _Means:
    """One source: of m students, what it says, what others predict, weight, class; students of each class."""

    own: Floats
    predicted: Floats
    precision: Floats
    klass: Index
    students: Index

    @property
    def enough(self) -> Flags:
        return self.students >= LEAST_STUDENTS

    def by_class(self, of_student: Floats) -> Floats:
        """Weighted class means; 0 where nobody is."""
        classes = len(self.students)
        weights = np.bincount(self.klass, self.precision, classes)
        sums = np.bincount(self.klass, self.precision * of_student, classes)
        return sums / np.where(weights > 0, weights, 1.0)

    def sampling_variance(self, of_student: Floats) -> Floats:
        """Of the class means, with one scale for all classes: the typical spread of students within a class."""
        classes, enough = len(self.students), self.enough
        around = self.precision * (of_student - self.by_class(of_student)[self.klass]) ** 2
        freedom = self.students[enough] - 1.0
        spread = np.bincount(self.klass, around, classes)[enough] / freedom
        # the median of chi-square / df lies below 1 (Wilson & Hilferty 1931)
        typical = np.median(spread / (1 - 2 / (9 * freedom)) ** 3)
        weights = np.bincount(self.klass, self.precision, classes)
        return np.where(enough, typical / np.where(weights > 0, weights, 1.0), np.nan)


def watch(data: Watched, matching_without: Callable[[frozenset[tuple[int, int]]], Matching]) -> Monitored:
    """Find the sources to set aside. Raises BadInput when lengths differ.

    `matching_without` gives the skill from the other sources, computed without the named (class, source) pairs.
    """
    if not len(data.y) == len(data.student) == len(data.indicator):
        raise BadInput("the monitor needs one student and one indicator for each observation")
    aside: frozenset[tuple[int, int]] = frozenset()
    undecided: frozenset[int] = frozenset()
    rounds = 0
    while True:
        rounds += 1
        means = _means(data, matching_without(aside).evidence())
        both = [_against_the_median(of, [k for k, s in aside if s == source]) for source, of in enumerate(means)]
        shift, error, z = (np.column_stack(parts) for parts in zip(*both, strict=True))
        worst, stuck = _worst_of_each_class(z, error, aside)
        undecided |= stuck
        if not worst:
            break
        aside |= worst
    confirmed = frozenset(pair for pair in aside if abs(z[pair]) > LIMIT)
    readings = tuple(
        _reading(means[source], (klass, source), (shift, error, z), confirmed, undecided)
        for klass in range(shift.shape[0])
        for source in range(shift.shape[1])
    )
    return Monitored(readings, confirmed, rounds)


def monitor_words(reading: Reading, klass: str, source: str) -> str:
    """One sentence for the teachers of a class and for whoever runs the school's system."""
    if reading.cell is Cell.SET_ASIDE:
        side = "higher" if (reading.shift or 0.0) > 0 else "lower"
        return (
            f"In {klass}, {source} evidence lies far {side} than everything else says of the same students, "
            f"for the class as a whole. It is set aside in this class until someone has looked at it; "
            f"the scores come from the other sources and are less certain."
        )
    if reading.cell is Cell.UNDECIDED:
        return (
            f"In {klass}, {source} evidence and the other evidence disagree for the class as a whole, and there "
            f"is no third source that tells which is right. Please check how both were collected."
        )
    if reading.cell is Cell.NOT_ENOUGH:
        return (
            f"In {klass}, there is not enough evidence to check the {source} source: it needs {LEAST_STUDENTS} "
            f"students with another source besides, and {LEAST_CLASSES} such classes."
        )
    return f"In {klass}, {source} evidence agrees with the other sources."


def _means(data: Watched, evidence: Evidence) -> list[_Means]:
    """By source, means of students: a student with more play is one student still."""
    classes, sources = int(data.klass.max()) + 1, int(data.source.max()) + 1
    source_of = data.source[data.indicator]
    found = []
    for source in range(sources):
        rows = np.flatnonzero(evidence.usable & (source_of == source))
        student, lam = data.student[rows], data.lam[data.indicator[rows]]
        spread = lam * np.sqrt(evidence.variance[rows])
        weight = 1.0 / (1.0 + spread**2)
        total: Floats = np.bincount(student, weight, len(data.klass)).astype(np.float64)
        there = np.flatnonzero(total)

        def mean(of_row: Floats, student: Index = student, there: Index = there, total: Floats = total) -> Floats:
            return np.bincount(student, of_row, len(total))[there] / total[there]

        # theta's errors are taken as shared by all of a student's observations: never too small
        shared = mean(weight * spread) ** 2
        noise = NOISE * mean(weight**2) / total[there]
        klass = data.klass[there]
        found.append(
            _Means(
                own=mean(weight * (data.y[rows] - data.c[data.indicator[rows]])),
                predicted=mean(weight * lam * evidence.value[rows]),
                precision=1.0 / (PEOPLE_DIFFER + shared + noise),
                klass=klass,
                students=np.bincount(klass, minlength=classes),
            )
        )
    return found


def _against_the_median(means: _Means, aside: list[int]) -> tuple[Floats, Floats, Floats]:
    """Shift of each class against the median class, its standard error, and z; nan (z: 0) where not enough.

    aside: classes where this source is set aside; they are compared, and nobody is compared with them.
    """
    nothing = np.full(len(means.students), np.nan)
    sound = means.enough
    sound[aside] = False
    if sound.sum() < LEAST_CLASSES:
        return nothing, nothing, np.zeros_like(nothing)
    own, predicted = means.by_class(means.own), means.by_class(means.predicted)
    slope = float(np.clip(siegelslopes(own[sound], predicted[sound]).slope, 0.0, 1.0))
    left = own - slope * predicted
    variance = means.sampling_variance(means.own - slope * means.predicted)
    typical = float(np.median(variance[sound]))
    median = np.median(left[sound])
    spread = (MAD_TO_SD * np.median(np.abs(left[sound] - median))) ** 2
    between = max(spread - typical, 0.0)
    of_median = np.pi / 2 * (between + typical) / sound.sum()
    shift = np.where(means.enough, left - median, np.nan)
    error = np.sqrt(variance + between + of_median)
    freedom = MAD_EFFICIENCY * sound.sum() * (error**2 / max(spread, typical)) ** 2
    tail = student_t.sf(np.abs(shift / error), freedom)
    z = np.sign(shift) * np.minimum(norm.isf(tail), np.abs(shift / error))
    return shift, error, np.where(means.enough, z, 0.0)


def _worst_of_each_class(
    z: Floats, error: Floats, aside: frozenset[tuple[int, int]]
) -> tuple[frozenset[tuple[int, int]], frozenset[int]]:
    """The next pairs to set aside; and the classes where two sources are left that disagree."""
    worst: set[tuple[int, int]] = set()
    stuck: set[int] = set()
    for klass in range(z.shape[0]):
        left = [s for s in range(z.shape[1]) if (klass, s) not in aside and np.isfinite(error[klass, s])]
        beyond = [s for s in left if abs(z[klass, s]) > LIMIT]
        if beyond and (len(left) > 2 or len(beyond) == 1):  # noqa: PLR2004 - of two neither is the odd one out
            worst.add((klass, max(beyond, key=lambda s: abs(z[klass, s]))))
        elif beyond:
            stuck.add(klass)
    return frozenset(worst), frozenset(stuck)


def _reading(
    means: _Means,
    pair: tuple[int, int],
    found: tuple[Floats, Floats, Floats],
    confirmed: frozenset[tuple[int, int]],
    undecided: frozenset[int],
) -> Reading:
    students = int(means.students[pair[0]])
    shift, error, z = (float(values[pair]) for values in found)
    if not np.isfinite(error):
        return Reading(*pair, students, None, None, None, Cell.NOT_ENOUGH)
    if pair in confirmed:
        cell = Cell.SET_ASIDE
    elif pair[0] in undecided and abs(z) > LIMIT:
        cell = Cell.UNDECIDED
    else:
        cell = Cell.FINE
    return Reading(*pair, students, shift, error, z, cell)
