"""Laws of contributions: they add up exactly, however they are grouped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schools_of_arrays import array_schools, random_observations, random_parameters
from sightline.measurement import kernel
from sightline.measurement.card import N_SKILLS
from sightline.measurement.contributions import (
    LEVELS_NOW,
    Summed,
    borrowed_share,
    by_indicator,
    by_sitting,
    by_sitting_and_indicator,
    by_source,
    by_student,
    contributions,
    level_at,
)
from sightline.measurement.observations import Observations, Parameters

School = tuple[Observations, Parameters]


@settings(max_examples=60, deadline=None)
@given(array_schools())
def test_every_grouping_and_the_rater_lines_add_up_to_the_movement_of_the_mean(school: School) -> None:
    observations, parameters = school
    solved = kernel.solve(observations, parameters)
    moved = contributions(observations, parameters, solved)
    wanted = np.stack([target.weights for target in LEVELS_NOW], axis=1)
    movement = (solved.mean - parameters.prior_mean) @ wanted
    raters = moved.of_raters.sum(axis=1)
    for groups in (
        by_student(moved, observations),
        by_source(moved, observations, parameters),
        by_indicator(moved, observations),
        by_sitting(moved, observations),
        by_sitting_and_indicator(moved, observations, len(parameters.c)),
    ):
        np.testing.assert_allclose(of_students(groups, observations) + raters, movement, atol=1e-9)


def of_students(groups: Summed, observations: Observations) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    total = np.zeros((observations.n_students, N_SKILLS))
    np.add.at(total, groups.student, groups.amount)
    return total


@settings(max_examples=20, deadline=None)
@given(array_schools(), st.integers(0, N_SKILLS - 1), st.floats(0, 1))
def test_one_target_at_any_time_adds_up_too(school: School, skill: int, time: float) -> None:
    observations, parameters = school
    solved = kernel.solve(observations, parameters)
    target = level_at(skill, time)
    moved = contributions(observations, parameters, solved, (target,))
    total = moved.of_raters.sum(axis=1)[:, 0]
    np.add.at(total, observations.student, moved.of_items[:, 0])
    np.testing.assert_allclose(total, (solved.mean - parameters.prior_mean) @ target.weights, atol=1e-9)


def test_direct_means_the_targets_own_skill_and_shares_lie_between_0_and_1() -> None:
    rng = np.random.default_rng(5)
    parameters = random_parameters(rng)
    observations = random_observations(rng, parameters, students=20)
    moved = contributions(observations, parameters, kernel.solve(observations, parameters))
    own = parameters.skill[observations.indicator]
    for skill in range(N_SKILLS):
        assert np.array_equal(moved.direct[:, skill], own == skill)
    share = borrowed_share(moved, observations)
    seen = np.isin(np.arange(20), observations.student)
    assert np.all((share[seen] >= 0) & (share[seen] <= 1))
    assert np.all(np.isnan(share[~seen]))


@pytest.mark.parametrize("skill", range(3))
def test_without_links_between_skills_or_sources_nothing_is_borrowed(skill: int) -> None:
    """Only correlations, what a source brings, sittings and raters carry evidence from one skill to another."""
    rng = np.random.default_rng(6)
    drawn = random_parameters(rng)
    bare = Parameters(
        skill=drawn.skill,
        source=drawn.source,
        c=drawn.c,
        lam=drawn.lam,
        gam=np.zeros_like(drawn.gam),
        s2=drawn.s2,
        om2=np.zeros(3),
        tau2=0.0,
        kap2=0.0,
        difficulty=drawn.difficulty,
        sigma=np.eye(2 * N_SKILLS),
        mu_beta=drawn.mu_beta,
    )
    observations = random_observations(rng, bare, students=10)
    moved = contributions(observations, bare, kernel.solve(observations, bare))
    assert np.all(moved.of_items[~moved.direct] == 0)
    assert np.any(moved.of_items[:, skill] != 0)
