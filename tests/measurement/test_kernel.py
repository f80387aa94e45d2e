"""The compiled posterior is the numpy one, whatever the school looks like."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schools_of_arrays import array_schools, random_observations, random_parameters
from sightline.measurement import kernel, posterior
from sightline.measurement.contributions import contributions
from sightline.measurement.loops import invert
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.posterior import Information, Severity, Solved
from sightline.measurement.robust import expected_errors

School = tuple[Observations, Parameters]


def assert_alike(one: Solved, other: Solved) -> None:
    """Every array of the two results is the same to 1e-9."""
    for name, value, twin in (*arrays(one, other), *arrays(one.severity, other.severity)):
        np.testing.assert_allclose(twin, value, atol=1e-9, rtol=1e-9, err_msg=name)
    for field, mine, theirs in zip(Information._fields, one.information, other.information, strict=True):
        np.testing.assert_allclose(theirs, mine, atol=1e-9, rtol=1e-9, err_msg=field)


def arrays(one: Solved | Severity, other: Solved | Severity) -> list[tuple[str, Floats, Floats]]:
    pairs = [(field.name, getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    return [pair for pair in pairs if isinstance(pair[1], np.ndarray)]


@settings(max_examples=60, deadline=None)
@given(array_schools(), st.booleans(), st.booleans())
def test_the_kernel_agrees_with_the_reference(school: School, flat: bool, weighted: bool) -> None:  # noqa: FBT001
    observations, parameters = school
    weight = np.random.default_rng(1).uniform(0.2, 1.5, len(observations.y)) if weighted else None
    assert_alike(
        kernel.solve(observations, parameters, flat_slopes=flat, weight=weight),
        posterior.solve(observations, parameters, flat_slopes=flat, weight=weight),
    )


@settings(max_examples=20, deadline=None)
@given(array_schools())
def test_they_agree_when_sittings_severity_and_halo_are_switched_off(school: School) -> None:
    observations, parameters = school
    bare = replace(parameters, om2=np.zeros(3), tau2=0.0, gam=np.zeros_like(parameters.gam))
    assert_alike(kernel.solve(observations, bare), posterior.solve(observations, bare))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_they_agree_on_many_raters_of_whom_some_share_students(seed: int) -> None:
    """Forty students with up to nine raters each: groups of raters, solved apart, equal one solve."""
    rng = np.random.default_rng(seed)
    parameters = random_parameters(rng)
    observations = random_observations(rng, parameters, students=40, raters=3)
    apart = rng.integers(0, 4, observations.n_students) * 3
    raters = np.where(observations.rater >= 0, observations.rater + apart[observations.student], -1)
    observations = replace(observations, rater=raters, n_raters=13)
    assert_alike(kernel.solve(observations, parameters), posterior.solve(observations, parameters))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-6, 0))
def test_the_inverse_by_hand_is_the_inverse(seed: int, smallest: float) -> None:
    """Also when one direction is a million times less known than another."""
    rng = np.random.default_rng(seed)
    root = np.linalg.qr(rng.normal(size=(17, 17)))[0]
    matrix = root @ np.diag(np.logspace(smallest, 0, 17)) @ root.T
    matrix = (matrix + matrix.T) / 2
    out = np.empty((17, 17))
    invert(matrix.copy(), out)
    np.testing.assert_allclose(out @ matrix, np.eye(17), atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(array_schools())
def test_compiled_contributions_and_errors_agree_with_the_reference(school: School) -> None:
    observations, parameters = school
    solved = posterior.solve(observations, parameters)
    mine, theirs = (f(observations, parameters, solved) for f in (kernel.contributions, contributions))
    np.testing.assert_allclose(mine.of_items, theirs.of_items, atol=1e-9)
    np.testing.assert_allclose(mine.of_raters, theirs.of_raters, atol=1e-9)
    np.testing.assert_array_equal(mine.direct, theirs.direct)
    errors = expected_errors(observations, parameters, solved)
    np.testing.assert_allclose(kernel.expected_errors(observations, parameters, solved), errors, atol=1e-9)
