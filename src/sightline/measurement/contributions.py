"""The exact sum behind a mean: equation (4), for one target or all seven, and its groups.

    phi_n = a'P (h_n - v_g a_g)(w_n/s2) r_n        phi_rater = -a'P b rhohat        sum of both = a'xhat - a'mu0

P is the covariance before severity. A contribution is direct when the item's own skill is the target's, else it is
borrowed through the correlations among skills and changes, or through what sources bring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.observations import Floats, Index, Observations, Parameters
from sightline.measurement.posterior import Solved, design, local_mean

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Target:
    """A linear function a'x of the state that belongs to one skill: `weights` (17), `skill` its axis."""

    weights: Floats
    skill: int


def level_at(skill: int, time: float = 1.0) -> Target:
    """The level of a skill at a time of the window: alpha + time * beta."""
    weights = np.zeros(STATE)
    weights[skill], weights[N_SKILLS + skill] = 1.0, time
    return Target(weights, skill)


LEVELS_NOW = tuple(level_at(skill) for skill in range(N_SKILLS))
"""The seven levels at the end of the window."""


@dataclass(frozen=True, slots=True)
class Contributions:
    """How far each item moved each of T targets, in SD (n x T), and each of a student's raters (N x K x T).

    direct: whether the item's skill is the target's (n x T).
    """

    of_items: Floats
    of_raters: Floats
    direct: Flags


def contributions(
    observations: Observations,
    parameters: Parameters,
    solved: Solved,
    targets: tuple[Target, ...] = LEVELS_NOW,
) -> Contributions:
    """Equation (4) for all students; `solved` must be of the same observations and parameters."""
    found = solved.information
    wanted = np.stack([target.weights for target in targets], axis=1)
    along = solved.covariance_before @ wanted
    axes, values = design(observations, parameters)
    row = -_each(found.sitting_sum, along[found.sitting_student])
    row *= found.sitting_shrink[:, None]
    moved = row[observations.sitting]
    for c in range(values.shape[1]):
        moved += values[:, c, None] * along[observations.student, axes[:, c]]
    moved *= (found.residual / found.variance)[:, None]
    return Contributions(
        of_items=moved,
        of_raters=of_raters(solved, targets),
        direct=direct(observations, parameters, targets),
    )


def of_raters(solved: Solved, targets: tuple[Target, ...]) -> Floats:
    """How far each of a student's raters moved each target (N x K x T)."""
    rho = local_mean(solved.severity.mean, solved.information.raters)
    wanted = np.stack([target.weights for target in targets], axis=1)
    return (solved.severity_gain @ wanted) * rho[:, :, None]


def direct(observations: Observations, parameters: Parameters, targets: tuple[Target, ...]) -> Flags:
    """Whether each item's skill is the target's (n x T)."""
    own = parameters.skill[observations.indicator]
    same: Flags = own[:, None] == np.array([target.skill for target in targets])
    return same


def _each(rows: Floats, matrices: Floats) -> Floats:
    """Each row (G x 17) times its own matrix (G x 17 x T)."""
    product: Floats = np.matmul(rows[:, None, :], matrices)[:, 0, :]
    return product


@dataclass(frozen=True, slots=True)
class Summed:
    """Contributions of groups of items, of F groups for T targets (F x T each); amount = direct + borrowed.

    student and key: whose group, and which sitting, indicator or source it is (F), rising by student, then by key.
    """

    student: Index
    key: Index
    direct: Floats
    borrowed: Floats

    @property
    def amount(self) -> Floats:
        return self.direct + self.borrowed


def by_sitting(moved: Contributions, observations: Observations) -> Summed:
    return _summed(moved, observations.student, observations.sitting)


def by_indicator(moved: Contributions, observations: Observations) -> Summed:
    return _summed(moved, observations.student, observations.indicator)


def by_source(moved: Contributions, observations: Observations, parameters: Parameters) -> Summed:
    return _summed(moved, observations.student, parameters.source[observations.indicator])


def by_sitting_and_indicator(moved: Contributions, observations: Observations, n_indicators: int) -> Summed:
    """The key is sitting * n_indicators + indicator."""
    return _summed(moved, observations.student, observations.sitting * n_indicators + observations.indicator)


def by_student(moved: Contributions, observations: Observations) -> Summed:
    """Every student's items taken together; the key is 0. Students without items are not in it."""
    return _summed(moved, observations.student, np.zeros_like(observations.student))


def _summed(moved: Contributions, student: Index, key: Index) -> Summed:
    order = np.lexsort((key, student))
    pairs = np.stack([student[order], key[order]], axis=1)
    starts = np.flatnonzero(np.any(np.diff(pairs, axis=0, prepend=-1) != 0, axis=1))
    direct = np.where(moved.direct, moved.of_items, 0.0)[order]
    borrowed = np.where(moved.direct, 0.0, moved.of_items)[order]
    if not len(starts):
        return Summed(student[:0], key[:0], direct, borrowed)
    return Summed(
        student=pairs[starts, 0],
        key=pairs[starts, 1],
        direct=np.add.reduceat(direct, starts),
        borrowed=np.add.reduceat(borrowed, starts),
    )


def borrowed_share(moved: Contributions, observations: Observations) -> Floats:
    """Share of a student's movement, as it is summed without signs, that other skills' items made (N x T).

    Not a number for a student without movement: there is no share of nothing.
    """
    size = (observations.n_students, moved.of_items.shape[1])
    total, borrowed = np.zeros(size), np.zeros(size)
    amount = np.abs(moved.of_items)
    np.add.at(total, observations.student, amount)
    np.add.at(borrowed, observations.student, np.where(moved.direct, 0.0, amount))
    share: Floats = np.divide(borrowed, total, out=np.full(size, np.nan), where=total > 0)
    return share
