"""Growth on known truth: false alarms where nobody changed, power where all did, false discoveries in a mixture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.measurement.fitted import believed
from bench.measurement.scenarios import Scenario
from bench.measurement.world import CLASS_SIZE, Simulated
from sightline.growth.changes import Changes, Levels, Shared, members_of
from sightline.growth.testing import Growth, Tested, growth_of
from sightline.measurement.card import N_SKILLS
from sightline.measurement.observations import Floats, Parameters
from sightline.measurement.posterior import Solved

TEST_LEVEL = 0.05
FDR_LEVEL = 0.10
"""The q that the pass mark names; the product's own is .05."""

EFFECTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5)
"""True change (SD a window) of every student and skill, for the power curves."""

CLASS_EFFECT, STUDENT_EFFECT = 0.7, 2.0
"""True changes (SD a window) in the mixture: of whole classes in three skills, of one student in six in all skills.
Large, so that there are discoveries to be false among."""

MIXTURES = 4
"""Mixtures of each school: the share of false ones among a few discoveries varies much."""

GROWN_SKILLS = 3
ONE_IN = 6
LEVEL_NAMES = ("class x skill", "student overall", "student x skill")


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of how many, and the Monte-Carlo variance of the share times its base squared: rates add up."""

    hits: float
    tests: float
    square: float

    @property
    def share(self) -> float:
        return self.hits / self.tests if self.tests else float("nan")

    @property
    def error(self) -> float:
        """Standard error of the share, tests of one class taken as one draw."""
        return float(np.sqrt(self.square) / self.tests) if self.tests else float("nan")

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.hits + other.hits, self.tests + other.tests, self.square + other.square)


NO_TESTS = Rate(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Discovered:
    """What was found at each of the three levels in one mixture, and how much of it is false."""

    found: tuple[int, ...]
    false: tuple[int, ...]

    def proportions(self) -> tuple[float, ...]:
        """False discovery proportion at each level, 0 when nothing was found."""
        return tuple(wrong / max(found, 1) for found, wrong in zip(self.found, self.false, strict=True))


def growth(simulated: Simulated, card: Parameters, scenario: Scenario, q: float) -> Growth:
    """The product's three levels of tests on simulated students."""
    solved = believed(simulated.observations, card, flat_slopes=True)
    return growth_of(changes_of(solved, simulated, card, scenario.weeks), q)


def changes_of(solved: Solved, simulated: Simulated, card: Parameters, weeks: float) -> Changes:
    """A posterior with flat slopes, as growth takes it: with severity shared and the classes' levels free."""
    levels, slopes = slice(0, N_SKILLS), slice(N_SKILLS, 2 * N_SKILLS)
    raters = solved.information.raters
    gain = np.zeros((len(raters), N_SKILLS, simulated.observations.n_raters))
    for place in range(raters.shape[1]):
        mine = np.flatnonzero(raters[:, place] >= 0)
        gain[mine, :, raters[mine, place]] = solved.severity_gain[mine, place, slopes]
    classes = simulated.truth.classes
    return Changes(
        mean=solved.mean[:, slopes],
        covariance=solved.covariance[:, slopes, slopes],
        members=members_of(classes, int(classes.max()) + 1),
        weeks=weeks,
        spread=card.sigma[slopes, slopes],
        shared=(Shared(gain, solved.severity.covariance),),
        levels=Levels(
            mean=solved.mean[:, levels],
            covariance=solved.covariance[:, levels, levels],
            cross=solved.covariance[:, slopes, levels],
            prior=card.sigma[levels, levels],
        ),
    )


def alarms(found: Growth, classes: np.ndarray) -> tuple[Rate, ...]:
    """How often p < .05, at the three levels, whatever the direction."""
    return tuple(
        _rate(level.p < TEST_LEVEL, level.tested, units)
        for level, units in zip(_levels(found), (np.arange(len(found.classes.p)), classes, classes), strict=True)
    )


def rises(found: Growth, classes: np.ndarray) -> tuple[Rate, ...]:
    """How often p < .05 and the change is a rise, at the three levels: the power, when all rose."""
    return tuple(
        _rate((level.p < TEST_LEVEL) & (level.change > 0), level.tested, units)
        for level, units in zip(_levels(found), (np.arange(len(found.classes.p)), classes, classes), strict=True)
    )


def mixture(rng: np.random.Generator, n: int) -> Floats:
    """True changes (N x 7) of classes by turns: nobody changes; all in three skills; one in six, in all skills."""
    beta = np.zeros((n, N_SKILLS))
    classes = np.arange(n) // CLASS_SIZE
    for c in range(int(classes.max()) + 1):
        rows = np.flatnonzero(classes == c)
        if c % 3 == 1:
            beta[np.ix_(rows, rng.permutation(N_SKILLS)[:GROWN_SKILLS])] = CLASS_EFFECT
        elif c % 3 == 2:  # noqa: PLR2004 - the third of three
            beta[rng.permutation(rows)[: len(rows) // ONE_IN]] = STUDENT_EFFECT
    return beta


def discovered(found: Growth, simulated: Simulated) -> Discovered:
    """What was found of a mixture; a fall that is found where there was a rise is false too."""
    beta, classes = simulated.truth.beta, simulated.truth.classes
    of_class = np.stack([beta[classes == c].mean(axis=0) for c in range(int(classes.max()) + 1)])
    truths = (of_class, beta.mean(axis=1), beta)
    counts = [
        (int(level.found.sum()), int((level.found & ~((truth > 0) & (level.change > 0))).sum()))
        for level, truth in zip(_levels(found), truths, strict=True)
    ]
    return Discovered(tuple(c[0] for c in counts), tuple(c[1] for c in counts))


def _levels(found: Growth) -> tuple[Tested, Tested, Tested]:
    return found.classes, found.students, found.skills


def _rate(hit: np.ndarray, tested: np.ndarray, unit: np.ndarray) -> Rate:
    hits, tests = (hit & tested).astype(float), tested.astype(float)
    axes = tuple(range(1, hits.ndim))
    per_unit = np.bincount(unit, weights=hits.sum(axis=axes) if axes else hits)
    base = np.bincount(unit, weights=tests.sum(axis=axes) if axes else tests)
    share = per_unit.sum() / max(base.sum(), 1.0)
    return Rate(float(per_unit.sum()), float(base.sum()), float(((per_unit - share * base) ** 2).sum()))
