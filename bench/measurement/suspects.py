"""Checks that must find what is planted and nothing else: indicators with DIF, a source broken in some classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.measurement.fitted import believed
from bench.measurement.schooling import School, generator
from bench.measurement.scoring import coverage, estimates
from bench.measurement.world import GAME, TALK, TEACHER, Simulated, only, shifted
from sightline.measurement.card import N_SKILLS, N_SOURCES
from sightline.measurement.observations import Floats, Index, Observations, Parameters
from sightline.pipeline.comparing import FLAT
from sightline.quality.dif import Compared, Judged, Letter, purified_dif
from sightline.quality.matching import Matching
from sightline.quality.monitor import Watched, watch

DIF_SIZES = (0.5, 0.2, 0.0)
"""SD of the indicator, between two random halves of the students."""

WITH_DIF = {GAME: 2, TALK: 2, TEACHER: 1}
"""Indicators of each source that act otherwise, up or down by chance."""

DIF_STUDENTS = 1000
BROKEN_STUDENTS = 2000
BROKEN_SHARE = 0.2
BROKEN_SHIFT = 1.0
"""Share of classes whose talk is broken, and by how many SD all their talk indicators lie too high."""


@dataclass(frozen=True, slots=True)
class Planted:
    """Indicators with DIF of one size: how many, judged, of them C, of them B or C; and the sound ones flagged."""

    size: float
    planted: int
    large: int
    flagged: int
    sound: int
    sound_flagged: int

    def __add__(self, other: Planted) -> Planted:
        return Planted(
            self.size,
            self.planted + other.planted,
            self.large + other.large,
            self.flagged + other.flagged,
            self.sound + other.sound,
            self.sound_flagged + other.sound_flagged,
        )


@dataclass(frozen=True, slots=True)
class Broken:
    """Broken classes found, sound cells set aside, and the estimates in broken classes before and after that."""

    broken: int
    found: int
    sound: int
    false: int
    coverage_before: float
    bias_before: float
    coverage_after: float
    bias_after: float


def dif_alone(at: School, size: float) -> Planted:
    """Plant DIF of one size in one indicator at a time (in none, when the size is 0), and look for it."""
    if size == 0.0:
        return _dif(at, size, np.zeros(0, dtype=np.intp))
    found = [_dif(at, size, np.array([j])) for j in _chosen(at, size)]
    return sum(found[1:], start=found[0])


def dif_together(at: School, size: float) -> Planted:
    """Plant DIF in five indicators at once: harder, because the bad ones judge the others."""
    return _dif(at, size, _chosen(at, size))


def _dif(at: School, size: float, chosen: Index) -> Planted:
    """New students of the school's world, judged with its fitted card; groups are two random halves."""
    rng = generator(at.seed, "DIF", f"{size:g}", *map(str, chosen))
    seen = at.others("DIF", number=DIF_STUDENTS).observations
    n_indicators = len(at.world.skill)
    group = rng.permutation(seen.n_students) % 2
    effect = np.zeros(n_indicators)
    effect[chosen] = size * rng.choice([-1.0, 1.0], len(chosen))
    spread = np.array([seen.y[seen.indicator == j].std() for j in range(n_indicators)])
    moved = replace(seen, y=seen.y + (effect * spread)[seen.indicator] * group[seen.student])
    found = purified_dif(
        Compared(
            y=moved.y / spread[moved.indicator],
            indicator=moved.indicator,
            student=moved.student,
            group=group,
            cluster=np.arange(seen.n_students),
        ),
        at.world.skill,
        lambda without: others_say(moved, at.card, ~np.isin(moved.indicator, sorted(without))),
    )
    judged = {r.indicator: r for r in found.results if isinstance(r.outcome, Judged)}
    there = [judged[j] for j in chosen if j in judged]
    sound = [r for j, r in judged.items() if j not in set(chosen.tolist())]
    return Planted(
        size=size,
        planted=len(chosen),
        large=sum(r.letter is Letter.C for r in there),
        flagged=sum(r.letter in {Letter.B, Letter.C} for r in there),
        sound=len(sound),
        sound_flagged=sum(r.flagged for r in sound),
    )


def broken_source(at: School) -> Broken:
    """Break talk in a fifth of the classes of new students, watch, set aside what is found, and score."""
    rng = generator(at.seed, "broken classes")
    simulated = at.others("broken source", number=BROKEN_STUDENTS)
    classes, card = simulated.truth.classes, at.card
    n_classes = int(classes.max()) + 1
    broken = rng.permutation(n_classes)[: round(BROKEN_SHARE * n_classes)]
    source = card.source[simulated.observations.indicator]
    hit = (source == TALK) & np.isin(classes[simulated.observations.student], broken)
    moved = shifted(simulated, hit, BROKEN_SHIFT)
    seen = moved.observations

    def without(aside: frozenset[tuple[int, int]]) -> Matching:
        return others_say(seen, card, ~_of_pairs(seen, classes, source, aside))

    found = watch(
        Watched(
            y=seen.y,
            student=seen.student,
            indicator=seen.indicator,
            klass=classes,
            c=card.c,
            lam=card.lam,
            source=card.source,
        ),
        without,
    )
    truly = {(int(c), TALK) for c in broken}
    kept = only(seen, ~_of_pairs(seen, classes, source, found.set_aside))
    members = np.isin(classes, broken)
    before, after = (_scored(moved, given, card, members) for given in (seen, kept))
    return Broken(
        broken=len(truly),
        found=len(found.set_aside & truly),
        sound=n_classes * N_SOURCES - len(truly),
        false=len(found.set_aside - truly),
        coverage_before=before[0],
        bias_before=before[1],
        coverage_after=after[0],
        bias_after=after[1],
    )


def others_say(seen: Observations, card: Parameters, use: np.ndarray) -> Matching:
    """Each item's skill at its time from the sources that are not its own, of the items to use (mask, n).

    The prior of levels is flat, or a group that truly differs is drawn back; it has no correlations, so that a
    difference in one skill does not leak into another.
    """
    variances = np.diag(card.sigma).copy()
    variances[:N_SKILLS] = FLAT
    alone = replace(card, sigma=np.diag(variances))
    skill, source = card.skill[seen.indicator], card.source[seen.indicator]
    mean, error = np.zeros(len(seen.y)), np.ones(len(seen.y))
    for own in range(N_SOURCES):
        mine = np.flatnonzero(source == own)
        solved = believed(only(seen, use & (source != own)), alone)
        student, level, slope = seen.student[mine], skill[mine], N_SKILLS + skill[mine]
        time = seen.time[mine]
        mean[mine] = solved.mean[student, level] + time * solved.mean[student, slope]
        covariance = solved.covariance
        error[mine] = np.sqrt(
            covariance[student, level, level]
            + 2.0 * time * covariance[student, level, slope]
            + time**2 * covariance[student, slope, slope]
        )
    return Matching(
        mean=mean,
        standard_error=error,
        prior_mean=seen.time * card.mu_beta[skill],
        prior_variance=variances[skill] + seen.time**2 * variances[N_SKILLS + skill],
    )


def _chosen(at: School, size: float) -> Index:
    rng = generator(at.seed, "indicators with DIF", f"{size:g}")
    drawn = [rng.permutation(np.flatnonzero(at.world.source == s))[:count] for s, count in WITH_DIF.items()]
    return np.concatenate(drawn).astype(np.intp)


def _of_pairs(seen: Observations, classes: Index, source: Index, pairs: frozenset[tuple[int, int]]) -> np.ndarray:
    wanted = np.array(sorted(c * N_SOURCES + s for c, s in pairs), dtype=np.intp)
    return np.isin(classes[seen.student] * N_SOURCES + source, wanted)


def _scored(
    simulated: Simulated, seen: Observations, card: Parameters, members: np.ndarray
) -> tuple[float, float]:
    """Coverage and mean error of the students in the mask (N)."""
    found = estimates(believed(seen, card), card)
    truth: Floats = simulated.truth.level[members]
    own = replace(
        found, mean=found.mean[members], error=found.error[members], reliability=found.reliability[members]
    )
    return coverage(own, truth), float((own.mean - truth).mean())
