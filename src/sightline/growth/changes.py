"""What is tested for growth: changes of all students of one school and window, and what their errors share.

The unit everywhere is the population SD of a skill per window. A window has 4 to 12 weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.domain.skills import SKILLS
from sightline.errors import BadInput

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Bools = NDArray[np.bool_]

N_SKILLS = len(SKILLS)
SHORTEST_WEEKS, LONGEST_WEEKS = 4.0, 12.0
"""Windows (weeks) for which the model's assumption of constant indicators and linear change was examined."""


@dataclass(frozen=True, slots=True)
class Shared:
    """An error that students have in common and that each one's covariance already holds, such as severity.

    gain: N x 7 x F, how far one unit of each of F factors moves the changes; covariance: F x F, of the factors as
    they are still uncertain after the data. Between students i and j: Cov = gain_i covariance gain_j'.
    For rater severity, equation (3): gain = -P b (slope rows), covariance = that of rhohat.
    """

    gain: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True)
class Levels:
    """Posterior of the levels from the same pass as the changes (slopes flat, levels with their prior of mean 0).

    mean: N x 7; covariance: N x 7 x 7; cross: N x 7 x 7, Cov(change, level); prior: 7 x 7, covariance of levels
    in the norming population.
    """

    mean: Floats
    covariance: Floats
    cross: Floats
    prior: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Changes of N students of one school over one window, with a flat prior on the slopes.

    mean: N x 7; covariance: N x 7 x 7, of each student, with what severity adds to it; members: for each class the
    rows of its students (a student may be in several classes); weeks: length of the window.
    spread: 7 x 7 covariance of true change among students, for the probability of a rise; None is a flat prior.
    shared: errors that students have in common. class_error: C x 7 x 7, covariance of an error of the class's mean
    that no student's covariance holds, such as a shock of one occasion that met the whole class.
    levels: lets the class's own mean level be free, so that a high or low class is not taken for a changed one.
    shared_tasks: share of tasks met in more than one part of the window, 0 to 1; None when no tasks were played.
    Raises BadInput when the arrays do not fit together, are not finite, or the window is too short or too long.
    """

    mean: Floats
    covariance: Floats
    members: tuple[Index, ...]
    weeks: float
    spread: Floats | None = None
    shared: tuple[Shared, ...] = ()
    class_error: Floats | None = None
    levels: Levels | None = None
    shared_tasks: float | None = None

    def __post_init__(self) -> None:
        n, square = len(self.mean), (N_SKILLS, N_SKILLS)
        if not SHORTEST_WEEKS <= self.weeks <= LONGEST_WEEKS:
            raise BadInput(
                f"a window of growth has {SHORTEST_WEEKS:g} to {LONGEST_WEEKS:g} weeks, not {self.weeks:g}"
            )
        _fits("mean", self.mean, (n, N_SKILLS))
        _fits("covariance", self.covariance, (n, *square))
        if n and not (np.diagonal(self.covariance, axis1=1, axis2=2) > 0).all():
            raise BadInput("a change without error is none: every variance must be above 0")
        if self.spread is not None:
            _fits("spread", self.spread, square)
        for rows in self.members:
            if len(np.unique(rows)) != len(rows) or (len(rows) and not 0 <= rows.min() <= rows.max() < n):
                raise BadInput(f"the members of a class must be different rows of {n} students")
        for term in self.shared:
            factors = len(term.covariance)
            _fits("shared.gain", term.gain, (n, N_SKILLS, factors))
            _fits("shared.covariance", term.covariance, (factors, factors))
        if self.class_error is not None:
            _fits("class_error", self.class_error, (len(self.members), *square))
        if self.levels is not None:
            _fits("levels.mean", self.levels.mean, (n, N_SKILLS))
            _fits("levels.covariance", self.levels.covariance, (n, *square))
            _fits("levels.cross", self.levels.cross, (n, *square))
            _fits("levels.prior", self.levels.prior, square)
        if self.shared_tasks is not None and not 0.0 <= self.shared_tasks <= 1.0:
            raise BadInput("the share of shared tasks is between 0 and 1")


def _fits(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise BadInput(f"{name} has the shape {values.shape}, not {shape}")
    if not np.isfinite(values).all():
        raise BadInput(f"{name} holds a number that is not finite; leave a student without evidence out")


def members_of(class_of: Sequence[int] | Index, n_classes: int) -> tuple[Index, ...]:
    """Rows of each class from the class of each student, where every student is in one class (-1: in none)."""
    classes = np.asarray(class_of, dtype=np.intp)
    return tuple(np.flatnonzero(classes == c) for c in range(n_classes))


def occasion_error(times: Floats, precision: Floats, variance: float) -> float:
    """Variance of a slope (SD per window, squared) from one shock per occasion that meets the whole class.

    times: of the occasions, in windows; precision: how much of the evidence each one carries (any unit); variance:
    of the shocks, in SD squared. A level is fitted along, so only what leans over time is left. One occasion, or
    all at one time, has no slope: infinite.
    """
    weight = precision / precision.sum()
    lean = weight * (times - weight @ times)
    around = float(lean @ times)
    return variance * float(lean @ lean) / around**2 if around > 0 else np.inf
