"""A sampler that integrates nothing out, and shares no line with the core, finds the same posterior."""

from __future__ import annotations

import numpy as np
import pytest
from bench.measurement_full_bayes import compare, sampled, school

from sightline.measurement.kernel import solve

pytest.importorskip("numpyro")


@pytest.mark.timeout(300)  # most of it is the sampler being compiled, which takes long on a busy machine
def test_means_and_intervals_of_a_few_students_are_those_of_full_bayes() -> None:
    observations, truth = school(np.random.default_rng(3), 3, game=4, talk=3, sittings=(3, 2))
    solved = solve(observations, truth)
    draws = sampled(observations, truth, None, draws=1500, chains=1, seed=3)
    found = compare(solved.mean, solved.covariance, draws["x"])
    assert np.sqrt(np.mean(found.apart**2)) < 0.05
    assert abs(np.mean(found.wider)) < 0.02
    assert np.abs(found.wider).max() < 0.08  # the Monte Carlo error of one of 21 SDs from 1,500 draws is .02
