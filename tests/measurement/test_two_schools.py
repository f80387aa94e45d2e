"""Two schools that share no student and no rater: how strict each one is, is found."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from sightline.measurement.card import N_SKILLS
from sightline.measurement.fitting import Fitted, fit
from sightline.measurement.observations import Index
from sightline.measurement.priors import literature_priors
from simulated_family import TEACHER, Design, Simulated, simulate

STUDENTS, RATERS_EACH = 400, 8
KINDER = 0.8
"""By how much the second school's raters give higher levels than the first's."""


@cache
def both() -> tuple[Simulated, Fitted]:
    """All raters of a school share students with one another: two components, told apart by school."""
    drawn = simulate(np.random.default_rng(31), Design(students=STUDENTS))
    o, truth = drawn.observations, drawn.truth
    severity = drawn.severity + KINDER * (np.arange(o.n_raters) // RATERS_EACH - 0.5)
    rated = o.rater >= 0
    place = (o.rater + np.rint(2 * o.time).astype(np.intp)) % RATERS_EACH
    rater = np.where(rated, o.rater // RATERS_EACH * RATERS_EACH + place, -1)
    y = o.y + np.where(rated, severity[rater] - drawn.severity[o.rater], 0.0)
    simulated = replace(drawn, observations=replace(o, y=y, rater=rater), severity=severity)
    found = fit(simulated.observations, skill=truth.skill, source=truth.source, priors=literature_priors(STUDENTS))
    assert isinstance(found, Fitted)
    return simulated, found


def school_of_rater() -> Index:
    return np.arange(both()[0].observations.n_raters) // RATERS_EACH


def school_of_student() -> Index:
    return np.arange(STUDENTS) // (STUDENTS // 2)


def test_the_schools_share_no_student_and_each_is_tied_together() -> None:
    o = both()[0].observations
    rated = o.rater >= 0
    assert np.array_equal(school_of_rater()[o.rater[rated]], school_of_student()[o.student[rated]])
    assert min(len(np.unique(o.rater[rated & (o.student == i)])) for i in range(STUDENTS)) > 1


def test_severities_differ_between_schools_as_they_truly_do_and_sum_to_zero_over_both() -> None:
    simulated, found = both()
    mean = found.solved.severity.mean
    first, second = (mean[school_of_rater() == s].mean() for s in (0, 1))
    true = simulated.severity
    true_first, true_second = (true[school_of_rater() == s].mean() for s in (0, 1))
    assert abs((second - first) - (true_second - true_first)) < 0.1
    assert abs(mean.sum()) < 0.02
    assert np.corrcoef(mean, true)[0, 1] > 0.95


def test_neither_schools_levels_nor_the_common_intercepts_take_up_how_strict_raters_are() -> None:
    simulated, found = both()
    error = found.solved.mean[:, :N_SKILLS] - simulated.state[:, :N_SKILLS]
    assert abs(error[school_of_student() == 1].mean() - error[school_of_student() == 0].mean()) < 0.1
    rated = simulated.truth.source == TEACHER
    expected = simulated.truth.c[rated] + simulated.severity.mean()
    assert np.abs(found.parameters.c[rated] - expected).mean() < 0.06
