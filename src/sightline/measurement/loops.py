"""The loops of `kernel`, compiled by numba: a sorted pass over items, and small matrices by hand.

Everything here fills arrays that the caller made. h has three non-zeros, so an item adds six numbers to L; a
sitting's sum has at most fifteen; and a 17 x 17 inverse by hand (3 microseconds) needs no call into a library (7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numba import njit

from sightline.measurement.card import N_SKILLS, STATE, Array
from sightline.measurement.observations import Floats, Index
from sightline.measurement.posterior import Information

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile at the first call and keep the result beside the module; numba has no types of its own."""
    return cast("_Function", njit(cache=True, error_model="numpy")(function))


class Rows(NamedTuple):
    """The items as the pass reads them: axes, h's three values, w/s2 and r (n each); om2 of each sitting (G)."""

    student: Index
    sitting: Index
    skill: Index
    source: Index
    level: Floats
    change: Floats
    own: Floats
    precision: Floats
    residual: Floats
    om2: Floats


@compiled
def invert(matrix: Array, out: Array) -> None:
    """The inverse of a small symmetric positive definite matrix into `out`; only the lower half is read.

    By Cholesky: L L' = matrix, then inverse(L)' inverse(L). `matrix` is overwritten.
    """
    size = len(matrix)
    for j in range(size):
        for k in range(j):
            factor = matrix[j, k]
            for i in range(j, size):
                matrix[i, j] -= matrix[i, k] * factor
        root = np.sqrt(matrix[j, j])
        for i in range(j, size):
            matrix[i, j] /= root
    for j in range(size):  # the inverse of the factor, in place
        matrix[j, j] = 1.0 / matrix[j, j]
        for i in range(j + 1, size):
            total = 0.0
            for k in range(j, i):
                total -= matrix[i, k] * matrix[k, j]
            matrix[i, j] = total / matrix[i, i]
    _squared(matrix, out)


@compiled
def _squared(root: Array, out: Array) -> None:
    """The product root' root of a lower triangle."""
    size = len(root)
    for i in range(size):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, size):
                total += root[k, i] * root[k, j]
            out[i, j] = total
            out[j, i] = total


@compiled
def rater_slots(student: Index, rater: Index, n_students: int) -> tuple[Index, Index]:
    """Each student's raters, rising (N x K), and which of them gave each item (n, else -1)."""
    n = len(student)
    counts = np.zeros(n_students, dtype=np.intp)
    kept = np.empty(n, dtype=np.intp)  # each student's raters, from where his items begin
    starts = _starts(student, n_students)
    most = 0
    for i in range(n_students):
        for position in range(starts[i], starts[i + 1]):
            if rater[position] >= 0:
                counts[i] += _insert(kept, starts[i], counts[i], rater[position])
        most = max(most, counts[i])
    raters = np.full((n_students, most), -1, dtype=np.intp)
    slot = np.full(n, -1, dtype=np.intp)
    for i in range(n_students):
        for k in range(counts[i]):
            raters[i, k] = kept[starts[i] + k]
        for position in range(starts[i], starts[i + 1]):
            for k in range(counts[i]):
                if rater[position] == raters[i, k]:
                    slot[position] = k
    return raters, slot


@compiled
def _starts(student: Index, n_students: int) -> Index:
    """Where each student's items begin (N + 1)."""
    starts = np.zeros(n_students + 1, dtype=np.intp)
    for i in student:
        starts[i + 1] += 1
    for i in range(n_students):
        starts[i + 1] += starts[i]
    return starts


@compiled
def _insert(kept: Index, start: int, count: int, rater: int) -> int:
    """Put a rater among `count` rising ones from `start`; 1 when he is new, else 0."""
    place = start + count
    while place > start and kept[place - 1] > rater:
        place -= 1
    if place > start and kept[place - 1] == rater:
        return 0
    for j in range(start + count, place, -1):
        kept[j] = kept[j - 1]
    kept[place] = rater
    return 1


@compiled
def gather(rows: Rows, sums: Information) -> None:
    """Fill the sums, one sitting after another; the lower half of L first, the upper one at the end."""
    n = len(rows.student)
    position = 0
    while position < n:
        g, i = rows.sitting[position], rows.student[position]
        sums.sitting_student[g] = i
        end = position + 1
        while end < n and rows.sitting[end] == g:
            end += 1
        _add_items(position, end, rows, sums)
        position = end
        sums.sitting_shrink[g] = rows.om2[g] / (1.0 + rows.om2[g] * sums.sitting_precision[g])
        _correct(g, i, sums)
    for i in range(len(sums.gain)):
        for j in range(STATE):
            for k in range(j):
                sums.gain[i, k, j] = sums.gain[i, j, k]


@compiled
def _add_items(first: int, end: int, rows: Rows, sums: Information) -> None:
    """The terms of one sitting's items in (2), and in (3) of those that a rater gave."""
    i, g = rows.student[first], rows.sitting[first]
    large, small, a = sums.gain[i], sums.eta[i], sums.sitting_sum[g]
    for n in range(first, end):
        p, r, k = rows.precision[n], rows.residual[n], sums.slot[n]
        x, y, z = rows.level[n], rows.change[n], rows.own[n]
        px, py, pz = p * x, p * y, p * z
        one, two, three = rows.skill[n], N_SKILLS + rows.skill[n], 2 * N_SKILLS + rows.source[n]
        large[one, one] += px * x
        large[two, one] += py * x
        large[two, two] += py * y
        large[three, one] += pz * x
        large[three, two] += pz * y
        large[three, three] += pz * z
        a[one] += px
        a[two] += py
        a[three] += pz
        small[one] += px * r
        small[two] += py * r
        small[three] += pz * r
        sums.sitting_precision[g] += p
        sums.sitting_residual[g] += p * r
        if k >= 0:
            sums.sitting_rated[g, k] += p
            sums.rated[i, k, k] += p
            sums.rated_residual[i, k] += p * r
            sums.borne[i, k, one] += px
            sums.borne[i, k, two] += py
            sums.borne[i, k, three] += pz


@compiled
def _correct(g: int, i: int, sums: Information) -> None:
    """Take out what the items of one sitting have in common."""
    a, v, shared = sums.sitting_sum[g], sums.sitting_shrink[g], sums.sitting_residual[g]
    for j in range(STATE):
        if a[j] != 0.0:
            va = v * a[j]
            sums.eta[i, j] -= va * shared
            for m in range(j + 1):
                sums.gain[i, j, m] -= va * a[m]
    for k in range(sums.sitting_rated.shape[1]):
        w = v * sums.sitting_rated[g, k]
        if w != 0.0:
            sums.rated_residual[i, k] -= w * shared
            for j in range(STATE):
                sums.borne[i, k, j] -= w * a[j]
            for m in range(sums.sitting_rated.shape[1]):
                sums.rated[i, k, m] -= w * sums.sitting_rated[g, m]


@compiled
def before_severity(prior: Array, sums: Information, before: Floats, gain: Floats) -> None:
    """P of each student before severity, inverse(L0 + gain), and -P b of each of his raters."""
    work = np.empty((STATE, STATE))
    for i in range(len(before)):
        for j in range(STATE):
            for k in range(j + 1):
                work[j, k] = prior[j, k] + sums.gain[i, j, k]
        invert(work, before[i])
        for k in range(sums.raters.shape[1]):
            if sums.raters[i, k] >= 0:
                for j in range(STATE):
                    gain[i, k, j] = -dot(before[i, j], sums.borne[i, k])


@compiled
def dot(one: Array, other: Array) -> float:
    """The sum of products of two vectors."""
    total = 0.0
    for j in range(len(one)):
        total += one[j] * other[j]
    return total


@compiled
def rater_sums(sums: Information, gain: Floats, diagonal: Floats, shift: Floats) -> None:
    """Q on its diagonal and e of each rater, the students integrated out."""
    for i in range(len(gain)):
        for k in range(gain.shape[1]):
            r = sums.raters[i, k]
            if r >= 0:
                diagonal[r] += sums.rated[i, k, k] + dot(gain[i, k], sums.borne[i, k])
                shift[r] += sums.rated_residual[i, k] + dot(gain[i, k], sums.eta[i])


@compiled
def united(sums: Information, gain: Floats, leader: Index) -> tuple[Index, Index, Floats]:
    """Q beside its diagonal as rows, columns and values; raters who share students get one leader (R)."""
    between = 0
    for i in range(len(gain)):
        count = count_of(sums.raters[i])
        between += count * (count - 1)
    rows, columns = np.empty(between, dtype=np.intp), np.empty(between, dtype=np.intp)
    values = np.empty(between)
    place = 0
    for i in range(len(gain)):
        count = count_of(sums.raters[i])
        for k in range(count):
            for m in range(count):
                if m != k:
                    rows[place], columns[place] = sums.raters[i, k], sums.raters[i, m]
                    values[place] = sums.rated[i, k, m] + dot(gain[i, k], sums.borne[i, m])
                    _unite(leader, rows[place], columns[place])
                    place += 1
    for r in range(len(leader)):  # a leader is the smallest of its group, so in rising order one look is enough
        leader[r] = leader[leader[r]]
    return rows, columns, values


@compiled
def count_of(raters: Index) -> int:
    """How many raters there are before the empty places."""
    count = 0
    while count < len(raters) and raters[count] >= 0:
        count += 1
    return count


@compiled
def _unite(leader: Index, one: int, other: int) -> None:
    """Give the groups of two raters one leader."""
    while leader[one] != one:
        one = leader[one]
    while leader[other] != other:
        other = leader[other]
    leader[max(one, other)] = min(one, other)


class Results(NamedTuple):
    """What `finish` fills: means (N x 17), covariances (N x 17 x 17), Cov(x, rho) (N x K x 17, from zero)."""

    mean: Floats
    covariance: Floats
    with_severity: Floats


@compiled
def finish(
    prior_mean: Array,
    sums: Information,
    before: Floats,
    gain: Floats,
    rho: Floats,
    among: Floats,
    results: Results,
) -> None:
    """Every student's results, severities (mean `rho`, covariance `among`) known."""
    for i in range(len(before)):
        for j in range(STATE):
            for m in range(STATE):
                results.covariance[i, j, m] = before[i, j, m]
            results.mean[i, j] = prior_mean[j] + dot(before[i, j], sums.eta[i])
        for k in range(gain.shape[1]):
            r = sums.raters[i, k]
            if r >= 0:
                _adjust(i, k, rho[r], among[r], sums.raters[i], gain[i], results)


@compiled
def _adjust(i: int, k: int, rho: float, among: Floats, raters: Index, gain: Floats, results: Results) -> None:
    """Add what the severity of one student's k-th rater does; `among` is his row of the raters' covariance."""
    for m in range(len(raters)):
        if raters[m] >= 0:
            for j in range(STATE):
                results.with_severity[i, k, j] += among[raters[m]] * gain[m, j]
    for j in range(STATE):
        results.mean[i, j] += gain[k, j] * rho
        for m in range(STATE):
            results.covariance[i, j, m] += gain[k, j] * results.with_severity[i, k, m]
