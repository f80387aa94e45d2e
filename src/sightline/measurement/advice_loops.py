"""Compiled search for the least further evidence that would be enough; see `sufficiency` for its meaning.

A further sitting shows only a skill's level now and what the student brings to a source, so it adds information in
four directions T = (level, m of three sources). S = T'PT says everything that it needs of P: with M the
information added, S' = inverse(inverse(S) + M), T'P'T = S', and every product with P' follows from PT, PB and
S'. No matrix larger than 4 x 4 is inverted for any of the about two hundred ways to add sittings.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.item_loops import Known
from sightline.measurement.loops import compiled, count_of, dot, invert
from sightline.measurement.observations import Floats, Index
from sightline.measurement.posterior import Information

DIRECTIONS = 4
MOST_SITTINGS, MOST_RATINGS = 12, 3
GAME, TALK, TEACHER, MIXED = 0, 1, 2, 3


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
    """One student and skill.

    now, inverse: S and its inverse; borne: T'PB; among: V; sittings: the information of each sitting in the
    directions [PT, PB]; seen_in: number of direct sittings; seen: whether each source has one (3).
    """

    now: Floats
    inverse: Floats
    borne: Floats
    among: Floats
    sittings: Floats
    seen_in: int
    seen: Index


class Asked(NamedTuple):
    """Students and skills (U x 2), their direct sittings so far (U), and the sources of these (U x 3).

    ways: further sittings of each source, in the order in which they are tried (A x 3); kinds: 0 to 2 for one
    source alone, MIXED for more of them, which are tried when nothing else helps (A, rising).
    """

    which: Index
    sittings: Index
    sources: Index
    ways: Index
    kinds: Index


def ways() -> tuple[Index, Index]:
    """All ways to add sittings (A x 3), and their kinds (A).

    One source alone; then play or talk together with ratings; then play together with talk; fewest first.
    """
    found: list[tuple[int, int, int, int]] = []
    for source, most in ((GAME, MOST_SITTINGS), (TALK, MOST_SITTINGS), (TEACHER, MOST_RATINGS)):
        found += [(*_of({source: n}), source) for n in range(1, most + 1)]
    for second, most in ((TEACHER, MOST_RATINGS), (TALK, MOST_SITTINGS // 2)):
        for n, first, m in product(range(1, MOST_SITTINGS + 1), (GAME, TALK), range(1, most + 1)):
            if first != second:
                found.append((*_of({first: n, second: m}), MIXED))
    table = np.array(found, dtype=np.intp)
    return np.ascontiguousarray(table[:, :3]), np.ascontiguousarray(table[:, 3])


def _of(counts: dict[int, int]) -> tuple[int, int, int]:
    return counts.get(GAME, 0), counts.get(TALK, 0), counts.get(TEACHER, 0)


@compiled
def search(
    asked: Asked, rules: Rules, known: Known, sums: Information, before: Floats, gain: Floats, least: Index
) -> None:
    """Fill which of the ways is the first of each kind that is enough (U x 4, -1 for none).

    `before` is P and `gain` -PB of each student.
    """
    for u in range(len(asked.which)):
        skill = asked.which[u, 1]
        case = _case(u, asked, known, sums, before, gain)
        helped = False
        for a in range(len(asked.ways)):
            kind, extra = asked.kinds[a], asked.ways[a]
            if kind == MIXED and helped:
                break
            possible = least[u, kind] < 0
            for s in range(3):
                possible = possible and (extra[s] == 0 or rules.typical[skill, s, 0, 0] > 0.0)
            if possible and _enough(case, skill, rules, extra):
                least[u, kind] = a
                helped = True


@compiled
def _case(u: int, asked: Asked, known: Known, sums: Information, before: Floats, gain: Floats) -> Case:
    """What the search needs of one student and skill."""
    i, skill = asked.which[u]
    raters = count_of(sums.raters[i])
    many = DIRECTIONS + raters
    basis = np.empty((many, STATE))  # rows: PT, then PB, which is -gain
    for j in range(STATE):
        basis[0, j] = before[i, skill, j] + before[i, N_SKILLS + skill, j]
        for s in range(3):
            basis[1 + s, j] = before[i, 2 * N_SKILLS + s, j]
        for k in range(raters):
            basis[DIRECTIONS + k, j] = -gain[i, k, j]
    now, borne = np.empty((DIRECTIONS, DIRECTIONS)), np.empty((DIRECTIONS, raters))
    for row in range(DIRECTIONS):
        for j in range(many):
            value = basis[j, 2 * N_SKILLS + row - 1] if row else basis[j, skill] + basis[j, N_SKILLS + skill]
            if j < DIRECTIONS:
                now[row, j] = value
            else:
                borne[row, j - DIRECTIONS] = value
    among = np.empty((raters, raters))
    for k in range(raters):
        for m in range(raters):
            among[k, m] = known.among[sums.raters[i, k], sums.raters[i, m]]
    inverse = np.empty((DIRECTIONS, DIRECTIONS))
    invert(now.copy(), inverse)
    shown = _among_sittings(i, basis, known, sums)
    return Case(now, inverse, borne, among, shown, asked.sittings[u], asked.sources[u])


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
            seen[j] = dot(sums.sitting_sum[g], basis[j])
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
    if case.seen_in + extra[0] + extra[1] + extra[2] < sittings or (different == 1 and not rules.alone[single]):
        return False
    after = _after(case, skill, rules, extra)
    level = _times(case.inverse, after[0])  # P'a = PT level
    to_raters = _times(case.borne.T, level)  # B'P'a
    back = _times(case.among, to_raters)
    variance = after[0, 0] + dot(back, to_raters)
    if left * (1.0 - variance / rules.variance[skill]) < reliability:
        return False
    pulled = _times(case.borne, back)
    step = _times(after, _times(case.inverse, pulled))
    for j in range(DIRECTIONS):
        step[j] = pulled[j] - step[j]
    step = _times(case.inverse, step)
    along = np.empty(DIRECTIONS + len(back))  # P a with severity, in the basis
    for j in range(len(along)):
        along[j] = level[j] - step[j] if j < DIRECTIONS else back[j - DIRECTIONS]
    shown = _times(case.now, along)
    for j in range(DIRECTIONS):
        shown[j] += pulled[j]
    return _largest_share(case, along, shown, rules.typical[skill], extra) <= share


@compiled
def _after(case: Case, skill: int, rules: Rules, extra: Index) -> Floats:
    """S' after these further sittings."""
    total, after = np.empty((DIRECTIONS, DIRECTIONS)), np.empty((DIRECTIONS, DIRECTIONS))
    for j in range(DIRECTIONS):
        for k in range(DIRECTIONS):
            total[j, k] = case.inverse[j, k]
            for s in range(3):
                total[j, k] += extra[s] * rules.typical[skill, s, j, k]
    invert(total, after)
    return after


@compiled
def _largest_share(case: Case, along: Floats, shown: Floats, typical: Floats, extra: Index) -> float:
    """The largest share of one sitting, past or further, in the precision of the level."""
    largest, whole = 0.0, 0.0
    for g in range(len(case.sittings)):
        amount = dot(along, _times(case.sittings[g], along))
        largest = max(largest, amount)
        whole += amount
    for s in range(3):
        if extra[s] > 0:
            amount = dot(shown, _times(typical[s], shown))
            largest = max(largest, amount)
            whole += extra[s] * amount
    return largest / whole


@compiled
def _times(matrix: Floats, vector: Floats) -> Floats:
    """A small matrix times the first of a vector's numbers, as many as it has columns."""
    out = np.zeros(matrix.shape[0])
    for j in range(matrix.shape[0]):
        for k in range(matrix.shape[1]):
            out[j] += matrix[j, k] * vector[k]
    return out
