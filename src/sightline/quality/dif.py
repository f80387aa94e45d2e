"""DIF: does an indicator act otherwise for groups of equal skill.

The skill comes from the *other* sources, so that an indicator is never its own judge. Each indicator is
regressed on that skill, the group, and (for the second question) skill x group; the skill's error is corrected
for, so that a true difference in skill between groups (impact) is not taken for DIF. Many questions are asked
at once, so p-values are adjusted over all indicators and groups (Benjamini & Hochberg 1995), uniform and
non-uniform each as one family. Letters follow ETS in spirit, in SD of the indicator (Dorans & Holland 1993;
Zwick 2012): A is below .17 or not significant, C is .25 or more and significant, B is between.

What this cannot see: an effect that all indicators of all sources share, and one that all indicators of one
source share looks the same as a group that brings more to that source. It says so by flagging many at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from scipy.stats import false_discovery_control
from scipy.stats import t as student_t

from sightline.errors import BadInput
from sightline.quality.corrected import Fit, corrected_regression
from sightline.quality.matching import Evidence, Flags, Floats, Index, Matching

SMALL = 0.17
"""SD of the indicator below which a difference is negligible (ETS A; 0.43 logits or 1 delta unit is .17 SD)."""

LARGE = 0.25
"""SD of the indicator from which a significant difference is large (ETS C; 1.5 delta units)."""

LEVEL = 0.05
"""False-discovery rate at which a difference counts as significant."""

LEAST_STUDENTS = 10
"""Students a group needs on an indicator; below, an interval would be wider than any letter's band."""

LEAST_CLUSTERS = 8
"""Clusters below which no cluster-robust standard error can be trusted (Cameron & Miller 2015)."""

LEAST_MATCHING = 0.15
"""Share of the matching's variation that must be skill; below, the correction divides by noise."""


class Letter(StrEnum):
    """A negligible, B moderate, C large."""

    A = "A"
    B = "B"
    C = "C"


class TooLittle(StrEnum):
    """Why an indicator was not judged for a group."""

    FEW_STUDENTS = "few_students"
    FEW_CLUSTERS = "few_clusters"
    WEAK_MATCHING = "weak_matching"


@dataclass(frozen=True, slots=True)
class Compared:
    """Observations to compare. y, indicator, student: length n; group, cluster: one entry for each student.

    y is standardised; group is -1 where it is not known. cluster: the student's own index or, when groups sit in
    different classes or rooms, the class.
    """

    y: Floats
    indicator: Index
    student: Index
    group: Index
    cluster: Index


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference in SD of the indicator, its error, 90 % interval, and p before and after adjustment."""

    size: float
    standard_error: float
    interval_90: tuple[float, float]
    p: float
    adjusted_p: float

    @property
    def letter(self) -> Letter:
        if self.adjusted_p >= LEVEL or abs(self.size) < SMALL:
            return Letter.A
        return Letter.C if abs(self.size) >= LARGE else Letter.B


@dataclass(frozen=True, slots=True)
class Judged:
    """uniform: difference at the average skill; nonuniform: how it grows with one SD of skill.

    matching: share of the matching's variation that is skill.
    """

    uniform: Effect
    nonuniform: Effect
    matching: float


@dataclass(frozen=True, slots=True)
class Dif:
    """One indicator, one group against the reference group; students as (group, reference)."""

    indicator: int
    group: int
    reference: int
    students: tuple[int, int]
    outcome: Judged | TooLittle

    @property
    def letter(self) -> Letter | None:
        """Of the uniform difference; None when not judged."""
        return self.outcome.uniform.letter if isinstance(self.outcome, Judged) else None

    @property
    def slope_letter(self) -> Letter | None:
        """Of the non-uniform difference; None when not judged."""
        return self.outcome.nonuniform.letter if isinstance(self.outcome, Judged) else None

    @property
    def flagged(self) -> bool:
        return bool({self.letter, self.slope_letter} & {Letter.B, Letter.C})


@dataclass(frozen=True, slots=True)
class Purified:
    """Results with anchors that are themselves free of DIF, as far as found, by indicator and then group.

    excluded: indicators left out of the matching; rounds: matchings computed; held_back: more than half of some
    skill's indicators would have had to be left out, so its anchors cannot be trusted.
    """

    results: tuple[Dif, ...]
    excluded: frozenset[int]
    rounds: int
    held_back: bool


@dataclass(frozen=True, slots=True)
class _Raw:
    size: float
    standard_error: float
    freedom: int

    @property
    def p(self) -> float:
        if self.standard_error == 0.0:  # the indicator took one value only
            return 1.0
        return float(2 * student_t.sf(abs(self.size) / self.standard_error, self.freedom))

    def adjusted(self, adjusted_p: float) -> Effect:
        half = float(student_t.ppf(0.95, self.freedom)) * self.standard_error
        return Effect(self.size, self.standard_error, (self.size - half, self.size + half), self.p, adjusted_p)


@dataclass(frozen=True, slots=True)
class _Pair:
    uniform: _Raw
    nonuniform: _Raw
    matching: float


def find_dif(data: Compared, matching: Matching, reference: int | None = None) -> tuple[Dif, ...]:
    """Every indicator for every group against the reference group, by indicator and then group.

    reference: a group; the largest one if not given. Raises BadInput when lengths differ, fewer than two groups
    are known, or nobody is of the reference group.
    """
    evidence = matching.evidence()
    if not len(data.y) == len(data.indicator) == len(data.student) == len(evidence.value):
        raise BadInput("DIF needs one indicator, one student and one matching value for each observation")
    if len(data.group) != len(data.cluster):
        raise BadInput("DIF needs one group and one cluster for each student")
    known, sizes = np.unique(data.group[data.group >= 0], return_counts=True)
    if len(known) < 2:  # noqa: PLR2004 - a comparison needs two
        raise BadInput("DIF compares groups: the students here are all of one group, or of none that is known")
    if reference is None:
        reference = int(known[np.argmax(sizes)])
    if reference not in known:
        raise BadInput(f"nobody here is of group {reference}, with which the others were to be compared")
    raw: list[tuple[int, int, tuple[int, int], _Pair | TooLittle]] = []
    order = np.argsort(data.indicator, kind="stable")
    indicators, starts = np.unique(data.indicator[order], return_index=True)
    for indicator, (start, end) in zip(indicators, pairwise([*starts, len(order)]), strict=True):
        rows = order[start:end]
        for group in known:
            if group != reference:
                students, found = _compare(data, evidence, rows, int(group), reference)
                raw.append((int(indicator), int(group), students, found))
    pairs = [found for *_, found in raw if isinstance(found, _Pair)]
    uniform = iter(_adjusted([pair.uniform for pair in pairs]))
    nonuniform = iter(_adjusted([pair.nonuniform for pair in pairs]))
    return tuple(
        Dif(
            indicator,
            group,
            reference,
            students,
            Judged(next(uniform), next(nonuniform), found.matching) if isinstance(found, _Pair) else found,
        )
        for indicator, group, students, found in raw
    )


def purified_dif(
    data: Compared,
    skill: Index,
    matching_without: Callable[[frozenset[int]], Matching],
    reference: int | None = None,
) -> Purified:
    """DIF with purified anchors: `matching_without` gives the matching computed without the named indicators.

    skill: of each indicator (J). Each round leaves out, for each skill, the indicator with the largest class C
    difference that is still an anchor: what one bad anchor does to the innocent is gone before they are judged
    (after Candell & Drasgow 1988, and worst first). An indicator whose matching became too weak keeps its last
    judgement. At least half of a skill's indicators stay anchors.
    """
    excluded: frozenset[int] = frozenset()
    latest: dict[tuple[int, int], Dif] = {}
    rounds, held_back = 0, False
    while True:
        rounds += 1
        for dif in find_dif(data, matching_without(excluded), reference):
            key = (dif.indicator, dif.group)
            if isinstance(dif.outcome, Judged) or key not in latest:
                latest[key] = dif
        results = tuple(latest[key] for key in sorted(latest))
        joining, held_back = _worst_of_each_skill(results, skill, excluded)
        if not joining:
            return Purified(results, excluded, rounds, held_back=held_back)
        excluded |= joining


def dif_words(dif: Dif, indicator: str, group: str, reference: str) -> str:
    """One sentence or two for the people who decide about an indicator."""
    if isinstance(dif.outcome, TooLittle):
        why = {
            TooLittle.FEW_STUDENTS: f"only {min(dif.students)} students of one group showed it, and "
            f"{LEAST_STUDENTS} are needed",
            TooLittle.FEW_CLUSTERS: f"there are fewer than {LEAST_CLUSTERS} classes or students to compare over",
            TooLittle.WEAK_MATCHING: "the other sources say too little about this skill to compare like with like",
        }[dif.outcome]
        return f"{indicator}: not enough evidence to compare {group} with {reference}: {why}."
    effect, slope = dif.outcome.uniform, dif.outcome.nonuniform
    low, high = sorted(abs(end) for end in effect.interval_90)
    if effect.letter is Letter.A:
        said = (
            f"{indicator}: no difference that matters between {group} and {reference} of equal skill "
            f"({effect.size:+.2f} SD, 90 % interval {effect.interval_90[0]:+.2f} to {effect.interval_90[1]:+.2f})."
        )
    else:
        side = "higher" if effect.size > 0 else "lower"
        how = "large" if effect.letter is Letter.C else "moderate"
        said = (
            f"{indicator}: {group} show values {abs(effect.size):.2f} SD {side} than {reference} of equal skill "
            f"(90 % interval {low:.2f} to {high:.2f}); a {how} difference, class {effect.letter}."
        )
    if slope.letter is not Letter.A:
        said += " The difference is not the same at all skill levels."
    return said


def _compare(
    data: Compared, evidence: Evidence, rows: Index, group: int, reference: int
) -> tuple[tuple[int, int], _Pair | TooLittle]:
    of_row = data.group[data.student[rows]]
    kept: Flags = ((of_row == group) | (of_row == reference)) & evidence.usable[rows]
    rows, member = rows[kept], (of_row[kept] == group).astype(np.float64)
    student = data.student[rows]
    students = (len(np.unique(student[member == 1])), len(np.unique(student[member == 0])))
    if min(students) < LEAST_STUDENTS:
        return students, TooLittle.FEW_STUDENTS
    cluster = data.cluster[student]
    if len(np.unique(cluster)) < LEAST_CLUSTERS:
        return students, TooLittle.FEW_CLUSTERS
    weight = evidence.weight[rows]
    skill = evidence.value[rows] - np.average(evidence.value[rows], weights=weight)
    y, variance = data.y[rows], evidence.variance[rows]
    one, none = np.ones_like(y), np.zeros_like(y)
    straight = corrected_regression(
        y,
        np.column_stack((one, skill, member)),
        np.column_stack((none, one, none)),
        variance,
        weight,
        cluster,
    )
    crossed = corrected_regression(
        y,
        np.column_stack((one, skill, member, skill * member)),
        np.column_stack((none, one, none, member)),
        variance,
        weight,
        cluster,
    )
    if straight is None or crossed is None or min(straight.matching, crossed.matching) < LEAST_MATCHING:
        return students, TooLittle.WEAK_MATCHING
    return students, _Pair(_raw(straight, 2), _raw(crossed, 3), straight.matching)


def _raw(fit: Fit, at: int) -> _Raw:
    return _Raw(float(fit.coefficients[at]), float(np.sqrt(fit.covariance[at, at])), fit.clusters - 1)


def _adjusted(raws: Sequence[_Raw]) -> list[Effect]:
    if not raws:
        return []
    adjusted = false_discovery_control([raw.p for raw in raws])
    return [raw.adjusted(float(p)) for raw, p in zip(raws, adjusted, strict=True)]


def _worst_of_each_skill(
    results: Sequence[Dif], skill: Index, excluded: frozenset[int]
) -> tuple[frozenset[int], bool]:
    """The anchors to leave out next, and whether some stay only because half of a skill's must."""
    joining: dict[int, tuple[float, int]] = {}
    held_back = False
    for dif in results:
        if not isinstance(dif.outcome, Judged) or dif.indicator in excluded:
            continue
        effects = (dif.outcome.uniform, dif.outcome.nonuniform)
        size = max((abs(effect.size) for effect in effects if effect.letter is Letter.C), default=0.0)
        of = int(skill[dif.indicator])
        out = sum(int(skill[other]) == of for other in excluded)
        if size and 2 * (out + 1) > int(np.sum(skill == of)):
            held_back = True
        elif size:
            joining[of] = max(joining.get(of, (0.0, -1)), (size, dif.indicator))
    return frozenset(indicator for _, indicator in joining.values()), held_back
