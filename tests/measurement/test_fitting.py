"""Fitting without labels: it climbs, it finds what was true, and it says what it could not learn."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.measurement.acceleration import laid_out, read_back
from sightline.measurement.bootstrap import bootstrap
from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.enough import MINIMUM_SHOWING, MINIMUM_STUDENTS, TooLittle
from sightline.measurement.fitting import Fitted, fit
from sightline.measurement.kernel import solve
from sightline.measurement.observations import Observations, Parameters
from sightline.measurement.priors import LATENT, at_priors, literature_priors
from simulated_family import GAME, TALK, TEACHER, Design, Simulated, simulate

LEARNERS = 600


@cache
def school() -> Simulated:
    return simulate(np.random.default_rng(5), Design(students=LEARNERS))


@cache
def fitted() -> Fitted:
    return fit_of(school())


def fit_of(simulated: Simulated, start: Parameters | None = None) -> Fitted:
    truth = simulated.truth
    priors = literature_priors(simulated.observations.n_students)
    found = fit(simulated.observations, skill=truth.skill, source=truth.source, priors=priors, start=start)
    assert isinstance(found, Fitted)
    return found


def only(o: Observations, keep: NDArray[np.bool_]) -> Observations:
    """The observations that are kept; sittings are numbered anew."""
    names = ("student", "indicator", "time", "y", "sampling_variance", "rater", "task")
    sittings, sitting = np.unique(o.sitting[keep], return_inverse=True)
    return replace(
        o, **{name: getattr(o, name)[keep] for name in names}, sitting=sitting, n_sittings=len(sittings)
    )


def root_mean_square(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def at_the_end(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    return mean[:, :N_SKILLS] + mean[:, N_SKILLS:LATENT]


def test_every_round_that_is_kept_increases_the_penalised_likelihood_until_nothing_moves() -> None:
    found = fitted()
    assert np.all(np.diff(found.trace) > 0)
    assert found.converged
    assert found.notes == ()


def test_loadings_and_what_students_bring_are_recovered_without_a_label() -> None:
    truth, found = school().truth, fitted().parameters
    assert root_mean_square(found.lam - truth.lam) < 0.04
    assert root_mean_square(found.gam - truth.gam) < 0.04
    assert abs(np.mean(found.gam - truth.gam)) < 0.02  # without Cov(x, rho) and Cov(x, u) it is a fifth too small
    assert np.all(found.lam >= 0)


def test_residual_variance_is_told_apart_from_sampling_error_and_from_the_sittings() -> None:
    truth, found = school().truth, fitted().parameters
    played = truth.source == GAME
    assert school().observations.sampling_variance.max() > 0.2
    assert abs(np.mean(found.s2[played] - truth.s2[played])) < 0.015
    assert root_mean_square(found.s2 - truth.s2) < 0.03
    assert np.abs(found.om2 - truth.om2).max() < 0.015


def test_severity_and_difficulty_are_recovered_and_severities_sum_to_zero() -> None:
    simulated, found = school(), fitted()
    severity = found.solved.severity.mean
    assert np.corrcoef(severity, simulated.severity)[0, 1] > 0.95
    assert np.corrcoef(found.parameters.difficulty, simulated.truth.difficulty)[0, 1] > 0.98
    assert abs(severity.sum()) < 0.01
    assert abs(found.parameters.difficulty.sum()) < 0.01


def coverage(simulated: Simulated, found: Fitted) -> float:
    """Share of true skills at the end of the window that 90 % intervals hold."""
    target = np.zeros((N_SKILLS, STATE))
    axes = np.arange(N_SKILLS)
    target[axes, axes] = target[axes, N_SKILLS + axes] = 1.0
    sd = np.sqrt(np.einsum("ka,nab,kb->nk", target, found.solved.covariance, target))
    return float(np.mean(np.abs(at_the_end(found.solved.mean) - at_the_end(simulated.state)) < 1.645 * sd))


def test_estimates_are_nearly_those_of_the_true_parameters_and_intervals_hold() -> None:
    simulated, found = school(), fitted()
    true = at_the_end(simulated.state)
    estimate = at_the_end(found.solved.mean)
    oracle = at_the_end(solve(simulated.observations, simulated.truth).mean)
    assert root_mean_square(estimate - true) < 1.05 * root_mean_square(oracle - true)
    assert 0.88 < coverage(simulated, found) < 0.92


def test_intervals_fail_without_what_students_bring_and_without_the_sittings() -> None:
    simulated, priors = school(), literature_priors(LEARNERS)
    off = replace(priors, gam=np.zeros(3), gam_sd=np.full(3, 1e-6), om2=np.zeros(3))
    truth = simulated.truth
    found = fit(simulated.observations, skill=truth.skill, source=truth.source, priors=off)
    assert isinstance(found, Fitted)
    assert np.abs(found.parameters.gam).max() < 1e-6
    assert np.array_equal(found.parameters.om2, np.zeros(3))
    assert coverage(simulated, found) < 0.82


def test_standard_errors_are_about_as_large_as_the_errors() -> None:
    truth, found = school().truth, fitted()
    loadings = np.stack([found.parameters.lam - truth.lam, found.parameters.gam - truth.gam], axis=1)
    assert 0.6 < root_mean_square(loadings / found.standard_errors) < 1.4


def test_levels_have_mean_0_and_variance_1() -> None:
    found = fitted()
    assert np.allclose(np.diag(found.parameters.sigma)[:N_SKILLS], 1.0)
    assert np.abs(found.solved.mean[:, :N_SKILLS].mean(axis=0)).max() < 0.01
    scatter = (
        found.solved.mean[:, :N_SKILLS].var(axis=0) + np.einsum("nii->i", found.solved.covariance)[:7] / LEARNERS
    )
    assert np.abs(scatter - 1.0).max() < 0.03


def test_moving_scale_between_skills_and_loadings_changes_no_prediction() -> None:
    parameters = fitted().parameters
    scale = np.linspace(0.7, 1.4, N_SKILLS)
    stretch = np.concatenate([scale, scale])
    same = replace(
        parameters,
        lam=parameters.lam / scale[parameters.skill],
        sigma=parameters.sigma * np.outer(stretch, stretch),
        mu_beta=parameters.mu_beta * scale,
    )
    back = read_back(laid_out(same), same, fitted().held)
    assert np.allclose(np.diag(back.sigma)[:N_SKILLS], 1.0)
    for name in ("lam", "sigma", "mu_beta", "c", "gam", "s2", "om2", "difficulty"):
        assert np.allclose(getattr(back, name), getattr(parameters, name))


def test_names_of_students_and_raters_do_not_matter() -> None:
    simulated = simulate(np.random.default_rng(8), Design(students=150))
    o = simulated.observations
    place = np.random.default_rng(0).permutation(o.n_students)
    raters = np.random.default_rng(1).permutation(o.n_raters)
    order = np.argsort(place[o.student], kind="stable")
    student = place[o.student][order]
    fresh = np.concatenate([[0], np.cumsum(np.diff(o.sitting[order]) != 0)])
    renamed = only(o, np.ones(len(o.y), dtype=bool))
    renamed = replace(
        renamed,
        **{name: getattr(o, name)[order] for name in ("indicator", "time", "y", "sampling_variance", "task")},
        student=student,
        sitting=fresh,
        rater=np.append(raters, -1)[o.rater][order],
    )
    first, second = fit_of(simulated), fit_of(replace(simulated, observations=renamed))
    assert np.abs(laid_out(first.parameters) - laid_out(second.parameters)).max() < 1e-6
    assert np.allclose(first.solved.mean, second.solved.mean[place], atol=1e-6)
    assert np.allclose(first.solved.severity.mean, second.solved.severity.mean[raters], atol=1e-6)


def test_beginning_elsewhere_ends_at_the_same_place() -> None:
    truth = school().truth
    start = replace(truth, lam=truth.lam * 0.5, gam=truth.gam * 1.5, s2=truth.s2 * 2, tau2=0.02, kap2=0.02)
    other = fit_of(school(), start=start).parameters
    assert np.abs(other.lam - fitted().parameters.lam).max() < 0.01
    assert np.abs(other.gam - fitted().parameters.gam).max() < 0.01


@pytest.mark.parametrize(("degrees", "low", "high"), [(3.0, 2.6, 3.6), (None, math.inf, math.inf)])
def test_the_tails_of_the_errors_are_recovered(degrees: float | None, low: float, high: float) -> None:
    simulated = simulate(np.random.default_rng(4), Design(students=200), degrees)
    found = fit_of(simulated)
    assert low <= found.parameters.nu <= high
    assert root_mean_square(found.parameters.s2 - simulated.truth.s2) < 0.09
    untouched = np.array_equal(found.y, simulated.observations.y)
    assert untouched == (degrees is None)


def test_too_few_students_are_told_so() -> None:
    simulated = simulate(np.random.default_rng(1), Design(students=MINIMUM_STUDENTS - 1))
    truth = simulated.truth
    found = fit(simulated.observations, skill=truth.skill, source=truth.source, priors=literature_priors(149))
    assert isinstance(found, TooLittle)
    assert (found.reason, found.found) == ("too_few_students", MINIMUM_STUDENTS - 1)
    assert str(MINIMUM_STUDENTS) in found.needed


def test_an_indicator_that_few_students_showed_keeps_its_prior_and_the_others_are_learned() -> None:
    simulated = simulate(np.random.default_rng(2), Design(students=150))
    o = simulated.observations
    rare = 3
    thin = only(o, (o.indicator != rare) | (o.student < MINIMUM_SHOWING - 1))
    found = fit_of(replace(simulated, observations=thin))
    prior = at_priors(simulated.truth.skill, simulated.truth.source, literature_priors(150), o.n_tasks)
    for name in ("c", "lam", "gam", "s2"):
        changed = getattr(found.parameters, name) != getattr(prior, name)
        assert not changed[rare]
        assert changed.sum() == len(changed) - 1
    assert np.isnan(found.standard_errors[rare]).all()
    assert np.isfinite(np.delete(found.standard_errors, rare, axis=0)).all()
    assert any("too few students" in note for note in found.notes)


def test_what_students_bring_to_a_source_is_not_learned_from_that_source_alone() -> None:
    simulated = simulate(np.random.default_rng(3), Design(students=150))
    o, source = simulated.observations, simulated.truth.source
    alone = only(o, source[o.indicator] == TALK)
    found = fit_of(replace(simulated, observations=alone))
    priors = literature_priors(150)
    assert np.array_equal(found.parameters.gam, priors.gam[source])
    assert np.all(found.parameters.lam[source == TALK] != priors.lam[TALK])
    assert np.array_equal(found.parameters.lam[source == TEACHER], priors.lam[source[source == TEACHER]])
    assert found.notes


def test_refits_widen_intervals_and_repeat_with_the_same_random_numbers() -> None:
    simulated = simulate(np.random.default_rng(6), Design(students=150))
    found, priors = fit_of(simulated), literature_priors(150)
    told: list[tuple[int, int]] = []

    def refits(seed: int) -> NDArray[np.float64]:
        rng = np.random.default_rng(seed)
        drawn = bootstrap(
            simulated.observations, found, priors, rng=rng, refits=3, progress=lambda b, of: told.append((b, of))
        )
        return drawn.inflation(simulated.observations)

    added = refits(1)
    assert np.array_equal(added, refits(1))
    assert told[:3] == [(1, 3), (2, 3), (3, 3)]
    assert np.all(np.linalg.eigvalsh(added) > -1e-12)
    share = np.einsum("nii->i", added)[:N_SKILLS] / np.einsum("nii->i", found.solved.covariance)[:N_SKILLS]
    assert np.all((share > 0.01) & (share < 0.5))
