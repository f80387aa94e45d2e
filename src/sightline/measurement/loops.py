"""The loops of `kernel`, compiled by numba: a sorted pass over items, and small matrices by hand.

Everything here fills arrays that the caller made. h has three non-zeros, so an item adds six numbers to L; a
sitting's sum has at most fifteen; and a 17 x 17 inverse by hand needs no call into a library.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numba import njit

from sightline.measurement.card import N_SKILLS, STATE, Array
from sightline.measurement.observations import Floats, Index

_Function = TypeVar("_Function")


def compiled(function: _Function) -> _Function:
    """Compile at the first call and keep the result beside the module; numba has no types of its own."""
    wrapped: _Function = njit(cache=True, error_model="numpy")(function)
    return wrapped


@compiled
def invert(matrix: Array, out: Array) -> None:
    """The inverse of a symmetric positive definite 17 x 17 matrix into `out`; only the lower half is read.

    By Cholesky: L L' = matrix, then inverse(L)' inverse(L). `matrix` is overwritten.
    """
    for j in range(STATE):
        for k in range(j):
            factor = matrix[j, k]
            for i in range(j, STATE):
                matrix[i, j] -= matrix[i, k] * factor
        root = np.sqrt(matrix[j, j])
        for i in range(j, STATE):
            matrix[i, j] /= root
    for j in range(STATE):  # the inverse of the factor, in place
        matrix[j, j] = 1.0 / matrix[j, j]
        for i in range(j + 1, STATE):
            total = 0.0
            for k in range(j, i):
                total -= matrix[i, k] * matrix[k, j]
            matrix[i, j] = total / matrix[i, i]
    for i in range(STATE):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, STATE):
                total += matrix[k, i] * matrix[k, j]
            out[i, j] = total
            out[j, i] = total


@compiled
def rater_slots(student: Index, rater: Index, n_students: int) -> tuple[Index, Index]:
    """Each student's raters, rising (N x K), and which of them gave each item."""
    n = len(student)
    counts = np.zeros(n_students, dtype=np.intp)
    most = 0
    own = np.empty(n, dtype=np.intp)
    start = 0
    while start < n:
        end = start
        found = 0
        while end < n and student[end] == student[start]:
            if rater[end] >= 0:
                known = False
                for k in range(found):
                    known = known or own[start + k] == rater[end]
                if not known:
                    own[start + found] = rater[end]
                    found += 1
            end += 1
        own[start : start + found].sort()
        counts[student[start]] = found
        most = max(most, found)
        start = end
    raters = np.full((n_students, most), -1, dtype=np.intp)
    slot = np.full(n, -1, dtype=np.intp)
    first = 0
    for i in range(n):
        if i == 0 or student[i] != student[i - 1]:
            first = i
            for k in range(counts[student[i]]):
                raters[student[i], k] = own[i + k]
        for k in range(counts[student[i]]):
            if rater[i] == raters[student[i], k]:
                slot[i] = k
    return raters, slot


@compiled
def gather(  # noqa: PLR0913, PLR0917, C901, PLR0912, PLR0915 -- one pass fills all sums; compiled code takes arrays
    student: Index,
    sitting: Index,
    skill: Index,
    source: Index,
    level: Floats,
    change: Floats,
    own: Floats,
    precision: Floats,
    residual: Floats,
    slot: Index,
    om2: Floats,
    owner: Index,
    sums: Floats,
    totals: Floats,
    residual_sums: Floats,
    shrink: Floats,
    rated_in: Floats,
    gain: Floats,
    eta: Floats,
    borne: Floats,
    rated: Floats,
    rated_residual: Floats,
) -> None:
    """Fill the sums of `Information`; the lower half of L first, the upper one at the end."""
    n = len(student)
    many = rated_in.shape[1]
    touched = np.empty(STATE, dtype=np.intp)
    position = 0
    while position < n:
        g, i = sitting[position], student[position]
        owner[g] = i
        a, large, small = sums[g], gain[i], eta[i]
        total, weighted_residual = 0.0, 0.0
        while position < n and sitting[position] == g:
            p, r = precision[position], residual[position]
            one, two, three = skill[position], N_SKILLS + skill[position], 2 * N_SKILLS + source[position]
            x, y, z = level[position], change[position], own[position]
            px, py, pz = p * x, p * y, p * z
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
            total += p
            weighted_residual += p * r
            k = slot[position]
            if k >= 0:
                rated_in[g, k] += p
                rated[i, k, k] += p
                rated_residual[i, k] += p * r
                borne[i, k, one] += px
                borne[i, k, two] += py
                borne[i, k, three] += pz
            position += 1
        v = om2[g] / (1.0 + om2[g] * total)
        totals[g], residual_sums[g], shrink[g] = total, weighted_residual, v
        count = 0
        for j in range(STATE):
            if a[j] != 0.0:
                touched[count] = j
                count += 1
        for s in range(count):
            j = touched[s]
            va = v * a[j]
            small[j] -= va * weighted_residual
            for t in range(s + 1):
                large[j, touched[t]] -= va * a[touched[t]]
        for k in range(many):
            w = v * rated_in[g, k]
            if w != 0.0:
                rated_residual[i, k] -= w * weighted_residual
                for s in range(count):
                    borne[i, k, touched[s]] -= w * a[touched[s]]
                for m in range(many):
                    rated[i, k, m] -= w * rated_in[g, m]
    for i in range(len(gain)):
        for j in range(STATE):
            for k in range(j):
                gain[i, k, j] = gain[i, j, k]


@compiled
def before_severity(prior: Array, gain: Floats, before: Floats) -> None:
    """P of each student before severity: inverse(L0 + gain)."""
    work = np.empty((STATE, STATE))
    for i in range(len(gain)):
        for j in range(STATE):
            for k in range(j + 1):
                work[j, k] = prior[j, k] + gain[i, j, k]
        invert(work, before[i])


@compiled
def rater_gains(before: Floats, borne: Floats, raters: Index, gain: Floats) -> None:
    """-P b of each student's raters."""
    for i in range(len(raters)):
        for k in range(raters.shape[1]):
            if raters[i, k] >= 0:
                for j in range(STATE):
                    total = 0.0
                    for m in range(STATE):
                        total += before[i, j, m] * borne[i, k, m]
                    gain[i, k, j] = -total


@compiled
def rater_sums(  # noqa: PLR0913, PLR0917 -- compiled code takes arrays
    raters: Index,
    rated: Floats,
    rated_residual: Floats,
    borne: Floats,
    gain: Floats,
    eta: Floats,
    diagonal: Floats,
    shift: Floats,
    leader: Index,
) -> tuple[Index, Index, Floats]:
    """Q on its diagonal and e of each rater; Q beside the diagonal as a list; raters who share students, united."""
    between = 0
    for i in range(len(raters)):
        count = 0
        for k in range(raters.shape[1]):
            count += raters[i, k] >= 0
        between += count * (count - 1)
    rows, columns = np.empty(between, dtype=np.intp), np.empty(between, dtype=np.intp)
    values = np.empty(between)
    place = 0
    for i in range(len(raters)):
        for k in range(raters.shape[1]):
            r = raters[i, k]
            if r < 0:
                break
            total = rated_residual[i, k]
            for j in range(STATE):
                total += gain[i, k, j] * eta[i, j]
            shift[r] += total
            for m in range(raters.shape[1]):
                s = raters[i, m]
                if s < 0:
                    break
                total = rated[i, k, m]
                for j in range(STATE):
                    total += gain[i, k, j] * borne[i, m, j]
                if s == r:
                    diagonal[r] += total
                    continue
                rows[place], columns[place], values[place] = r, s, total
                place += 1
                one, two = r, s
                while leader[one] != one:
                    one = leader[one]
                while leader[two] != two:
                    two = leader[two]
                leader[max(one, two)] = min(one, two)
    for r in range(len(leader)):  # leaders are smaller, so one look up is enough in rising order
        leader[r] = leader[leader[r]]
    return rows, columns, values


@compiled
def finish(  # noqa: PLR0913, PLR0917 -- compiled code takes arrays
    prior_mean: Array,
    before: Floats,
    eta: Floats,
    raters: Index,
    gain: Floats,
    rho: Floats,
    rho_covariance: Floats,
    mean: Floats,
    covariance: Floats,
    with_severity: Floats,
) -> None:
    """Means, covariances and Cov(x, rho) of every student, severity known."""
    for i in range(len(before)):
        for j in range(STATE):
            total = prior_mean[j]
            for m in range(STATE):
                total += before[i, j, m] * eta[i, m]
                covariance[i, j, m] = before[i, j, m]
            mean[i, j] = total
        for k in range(raters.shape[1]):
            r = raters[i, k]
            if r < 0:
                break
            for m in range(raters.shape[1]):
                s = raters[i, m]
                if s < 0:
                    break
                among = rho_covariance[r, s]
                for j in range(STATE):
                    with_severity[i, k, j] += among * gain[i, m, j]
            for j in range(STATE):
                mean[i, j] += gain[i, k, j] * rho[r]
                for m in range(j + 1):
                    covariance[i, j, m] += gain[i, k, j] * with_severity[i, k, m]
                    covariance[i, m, j] = covariance[i, j, m]


