"""Compiled search for the least further evidence that would be enough; see `sufficiency` for its meaning.

A further sitting shows only a skill's level now and what the student brings to a source, so it adds information in
four directions T = (level, m of three sources). S = T'PT says everything that it needs of P: with M the
information added, S' = inverse(inverse(S) + M), T'P'T = S', and every product with P' follows from PT, PB and
S'. No matrix larger than 4 x 4 is inverted for any of the about two hundred ways to add sittings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.item_loops import Known
from sightline.measurement.loops import compiled, invert
from sightline.measurement.observations import Floats, Index
from sightline.measurement.posterior import Information

DIRECTIONS = 4
MOST_SITTINGS, MOST_RATINGS = 12, 3
GAME, TALK, TEACHER = 0, 1, 2


class Rules(NamedTuple):
    """What counts as enough.

    typical: information of one further sitting by skill and source in the four directions (7 x 3 x 4 x 4; zero
    when it cannot show the skill); variance: a'Ca of each level (7); needed: least reliability, share of
    reliability that is left of the parameters' own errors, least number of sittings, largest share of one
    sitting; alone: whether a source alone may be enough (3).
    """

    typical: Floats
    variance: Floats
    needed: tuple[float, float, float, float]
    alone: Index


class Case(NamedTuple):
    """One student and skill: S, T'PB, V, the information of each sitting in the directions [PT, PB], and what
    is seen.

    seen_in: number of direct sittings; seen: whether each source has one (3).
    """

    now: Floats
    borne: Floats
    among: Floats
    sittings: Floats
    seen_in: int
    seen: Index


class Asked(NamedTuple):
    """Students and skills (U x 2), their direct sittings so far (U), and the sources of these (U x 3)."""

    which: Index
    sittings: Index
    sources: Index


class Least(NamedTuple):
    """The answer: least sittings of each source alone (U x 3, 0 when it cannot be enough), and else the least mix.

    mixed: first source, its number, second source, its number (U x 4; -1 for none).
    """

    alone: Index
    mixed: Index


@compiled
def search(
    asked: Asked, rules: Rules, known: Known, sums: Information, before: Floats, gain: Floats, least: Least
) -> None:
    """Answer every question; `before` is P and `gain` -PB of each student."""
    for u in range(len(asked.which)):
        skill = asked.which[u, 1]
        case = _case(u, asked, known, sums, before, gain)
        found = False
        extra = np.zeros(3, dtype=np.intp)
        for s in range(3):
            if rules.typical[skill, s, 0, 0] > 0.0:
                most = MOST_RATINGS if s == TEACHER else MOST_SITTINGS
                least.alone[u, s] = _least(case, skill, rules, extra, s, most)
                found = found or least.alone[u, s] > 0
        if not found:
            _mix(case, skill, rules, TEACHER, MOST_RATINGS, least.mixed[u])
            if least.mixed[u, 0] < 0:
                _mix(case, skill, rules, TALK, MOST_SITTINGS // 2, least.mixed[u])


@compiled
def _least(case: Case, skill: int, rules: Rules, extra: Index, source: int, most: int) -> int:
    """The least number of sittings of a source that is enough together with `extra`; 0 when `most` is not."""
    found = 0
    for n in range(1, most + 1):
        extra[source] = n
        if _enough(case, skill, rules, extra):
            found = n
            break
    extra[source] = 0
    return found


@compiled
def _mix(case: Case, skill: int, rules: Rules, second: int, most: int, out: Index) -> None:
    """The least of play, or talk, that is enough with some of the second source."""
    extra = np.zeros(3, dtype=np.intp)
    for n in range(1, MOST_SITTINGS + 1):
        for first in (GAME, TALK):
            possible = rules.typical[skill, first, 0, 0] > 0.0 and rules.typical[skill, second, 0, 0] > 0.0
            if first != second and possible:
                extra[first] = n
                m = _least(case, skill, rules, extra, second, most)
                extra[first] = 0
                if m > 0:
                    out[0], out[1], out[2], out[3] = first, n, second, m
                    return


@compiled
def _case(u: int, asked: Asked, known: Known, sums: Information, before: Floats, gain: Floats) -> Case:
    """What the search needs of one student and skill."""
    i, skill = asked.which[u]
    raters = sums.raters[i][sums.raters[i] >= 0]
    many = DIRECTIONS + len(raters)
    basis = np.zeros((many, STATE))  # rows: PT, then PB, which is -gain
    basis[0] = before[i, skill] + before[i, N_SKILLS + skill]
    for s in range(3):
        basis[1 + s] = before[i, 2 * N_SKILLS + s]
    for k in range(len(raters)):
        basis[DIRECTIONS + k] = -gain[i, k]
    now, borne = np.zeros((DIRECTIONS, DIRECTIONS)), np.zeros((DIRECTIONS, len(raters)))
    for row in range(DIRECTIONS):
        for j in range(many):
            value = basis[j, 2 * N_SKILLS + row - 1] if row else basis[j, skill] + basis[j, N_SKILLS + skill]
            if j < DIRECTIONS:
                now[row, j] = value
            else:
                borne[row, j - DIRECTIONS] = value
    among = np.zeros((len(raters), len(raters)))
    for k in range(len(raters)):
        for m in range(len(raters)):
            among[k, m] = known.among[raters[k], raters[m]]
    shown = _among_sittings(i, basis, known, sums)
    return Case(now, borne, among, shown, asked.sittings[u], asked.sources[u])


@compiled
def _among_sittings(i: int, basis: Floats, known: Known, sums: Information) -> Floats:
    """Information of each of a student's sittings in the directions of the basis (g x m x m)."""
    n, end = known.starts[i], known.starts[i + 1]
    many = len(basis)
    first = known.sitting[n] if n < end else 0
    last = known.sitting[end - 1] if n < end else -1
    out = np.zeros((last - first + 1, many, many))
    seen = np.empty(many)
    for g in range(first, last + 1):
        for j in range(many):
            seen[j] = np.sum(sums.sitting_sum[g] * basis[j])
        for j in range(many):
            for k in range(many):
                out[g - first, j, k] = -sums.sitting_shrink[g] * seen[j] * seen[k]
    for item in range(n, end):
        one, three = known.skill[item], 2 * N_SKILLS + known.source[item]
        p, g = 1.0 / sums.variance[item], known.sitting[item] - first
        for j in range(many):
            row = basis[j]
            seen[j] = known.level[item] * row[one] + known.change[item] * row[N_SKILLS + one]
            seen[j] += known.own[item] * row[three]
        for j in range(many):
            for k in range(many):
                out[g, j, k] += p * seen[j] * seen[k]
    return out


@compiled
def _enough(case: Case, skill: int, rules: Rules, extra: Index) -> bool:
    """Whether these further sittings of each source leave no shortfall."""
    reliability, left, sittings, share = rules.needed
    different, single = 0, 0
    for s in range(3):
        if case.seen[s] > 0 or extra[s] > 0:
            different += 1
            single = s
    if case.seen_in + extra.sum() < sittings or (different == 1 and not rules.alone[single]):
        return False
    inverse, after = np.empty((DIRECTIONS, DIRECTIONS)), np.empty((DIRECTIONS, DIRECTIONS))
    invert(case.now.copy(), inverse)
    total = inverse.copy()
    for s in range(3):
        total += extra[s] * rules.typical[skill, s]
    invert(total, after)
    level = _times(inverse, after[0])  # P'a = PT level
    to_raters = _times(case.borne.T, level)  # B'P'a
    back = _times(case.among, to_raters)
    variance = after[0, 0] + np.sum(back * to_raters)
    if left * (1.0 - variance / rules.variance[skill]) < reliability:
        return False
    pulled = _times(case.borne, back)
    along = np.empty(DIRECTIONS + len(back))  # P a with severity, in the basis
    along[:DIRECTIONS] = level - _times(inverse, pulled - _times(after, _times(inverse, pulled)))
    along[DIRECTIONS:] = back
    largest, whole = 0.0, 0.0
    for g in range(len(case.sittings)):
        amount = np.sum(along * _times(case.sittings[g], along))
        largest = max(largest, amount)
        whole += amount
    shown = _times(case.now, along[:DIRECTIONS]) + pulled
    for s in range(3):
        if extra[s] > 0:
            amount = np.sum(shown * _times(rules.typical[skill, s], shown))
            largest = max(largest, amount)
            whole += extra[s] * amount
    return largest <= share * whole


@compiled
def _times(matrix: Floats, vector: Floats) -> Floats:
    """A small matrix times a vector; zero rows or columns are fine."""
    out = np.zeros(matrix.shape[0])
    for j in range(matrix.shape[0]):
        for k in range(matrix.shape[1]):
            out[j] += matrix[j, k] * vector[k]
    return out
