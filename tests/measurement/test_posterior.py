"""Laws of the posterior of many students: it equals one dense joint Gaussian over everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schools_of_arrays import array_schools, joint, random_observations, random_parameters
from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.observations import Observations, Parameters
from sightline.measurement.posterior import gains_of_raters, prior_information, solve

School = tuple[Observations, Parameters]


@settings(max_examples=60, deadline=None)
@given(array_schools(), st.booleans())
def test_means_covariances_and_severities_equal_the_joint_gaussian(school: School, weighted: bool) -> None:  # noqa: FBT001
    observations, parameters = school
    weight = np.random.default_rng(1).uniform(0.2, 1.5, len(observations.y)) if weighted else None
    solved = solve(observations, parameters, weight=weight)
    mean, covariance = joint(observations, parameters, weight)
    for i in range(observations.n_students):
        own = slice(i * STATE, (i + 1) * STATE)
        np.testing.assert_allclose(solved.mean[i], mean[own], atol=1e-9)
        np.testing.assert_allclose(solved.covariance[i], covariance[own, own], atol=1e-9)
        first = STATE * observations.n_students + observations.n_sittings
        for k, r in enumerate(solved.information.raters[i]):
            if r >= 0:
                np.testing.assert_allclose(solved.severity_covariance[i, k], covariance[own, first + r], atol=1e-9)
    gains = gains_of_raters(solved, observations.n_raters)
    spread = solved.covariance_before + gains @ solved.severity.covariance @ np.swapaxes(gains, 1, 2)
    np.testing.assert_allclose(spread, solved.covariance, atol=1e-9)
    raters = slice(STATE * observations.n_students + observations.n_sittings, None)
    np.testing.assert_allclose(solved.severity.mean, mean[raters], atol=1e-9)
    np.testing.assert_allclose(solved.severity.covariance, covariance[raters, raters], atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(array_schools())
def test_without_sitting_and_severity_terms_the_equations_hold_as_well(school: School) -> None:
    """The negative control sets them to 0, and nothing divides by it."""
    observations, parameters = school
    bare = replace(parameters, om2=np.zeros(3), tau2=0.0, gam=np.zeros_like(parameters.gam))
    mean, _ = joint(observations, bare)
    solved = solve(observations, bare)
    np.testing.assert_allclose(solved.mean.ravel(), mean[: solved.mean.size], atol=1e-9)
    np.testing.assert_allclose(solved.severity.covariance, 0.0)


def test_a_flat_prior_leaves_changes_to_the_evidence_and_levels_to_their_prior() -> None:
    parameters = random_parameters(np.random.default_rng(3))
    information = prior_information(parameters, flat_slopes=True)
    changes = slice(N_SKILLS, 2 * N_SKILLS)
    assert np.abs(information[changes]).max() < 0.01
    levels = parameters.sigma[:N_SKILLS, :N_SKILLS]
    np.testing.assert_allclose(information[:N_SKILLS, :N_SKILLS], np.linalg.inv(levels))


def test_a_student_without_observables_has_the_prior() -> None:
    rng = np.random.default_rng(4)
    parameters = random_parameters(rng)
    observations = random_observations(rng, parameters, students=3, most_sittings=0)
    solved = solve(observations, parameters)
    np.testing.assert_allclose(solved.mean, np.tile(parameters.prior_mean, (3, 1)))
    np.testing.assert_allclose(solved.covariance[1], parameters.prior_covariance, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_severities_of_raters_who_share_no_student_do_not_bear_on_one_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters = random_parameters(rng)
    one = random_observations(rng, parameters, students=5, raters=2)
    two = random_observations(rng, parameters, students=5, raters=2)
    both = solve(side_by_side(one, two), parameters)
    alone = solve(one, parameters)
    np.testing.assert_allclose(both.severity.mean[:2], alone.severity.mean, atol=1e-9)
    np.testing.assert_allclose(both.severity.covariance[:2, 2:], 0.0, atol=1e-12)
    np.testing.assert_allclose(both.mean[:5], alone.mean, atol=1e-9)


def side_by_side(one: Observations, two: Observations) -> Observations:
    """Two schools as one, with raters of their own."""
    return Observations(
        student=np.concatenate([one.student, two.student + one.n_students]),
        sitting=np.concatenate([one.sitting, two.sitting + one.n_sittings]),
        indicator=np.concatenate([one.indicator, two.indicator]),
        time=np.concatenate([one.time, two.time]),
        y=np.concatenate([one.y, two.y]),
        sampling_variance=np.concatenate([one.sampling_variance, two.sampling_variance]),
        rater=np.concatenate([one.rater, np.where(two.rater < 0, -1, two.rater + one.n_raters)]),
        task=np.concatenate([one.task, two.task]),
        n_students=one.n_students + two.n_students,
        n_sittings=one.n_sittings + two.n_sittings,
        n_raters=one.n_raters + two.n_raters,
        n_tasks=max(one.n_tasks, two.n_tasks),
    )
