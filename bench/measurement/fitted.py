"""The product's own fitting and posterior, as the benchmark asks for them: nothing of the model is written again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.measurement.scenarios import Scenario
from bench.measurement.world import Simulated
from sightline.measurement import kernel
from sightline.measurement.fitting import Fitted, fit
from sightline.measurement.priors import literature_priors
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.posterior import Solved
from sightline.measurement.robust import solve_robustly


@dataclass(frozen=True, slots=True)
class Learned:
    """A card learned without labels, and the covariance of states between refits (N x 17 x 17), if there were any."""

    card: Parameters
    between: Floats | None
    rounds: int
    converged: bool


def believed(observations: Observations, card: Parameters, *, flat_slopes: bool = False) -> Solved:
    """The posterior under a card, with Student-t weights when the card has them."""
    return solve_robustly(observations, card, kernel, flat_slopes=flat_slopes).solved


def learned(rng: np.random.Generator, simulated: Simulated, scenario: Scenario) -> Learned:
    """Fit from the priors of the literature. Raises ValueError when there is too little to fit."""
    seen, indicators = simulated.observations, simulated.truth.parameters
    found = fit(
        seen,
        skill=indicators.skill,
        source=indicators.source,
        priors=literature_priors(seen.n_students, scenario.weeks),
    )
    if not isinstance(found, Fitted):
        raise ValueError(f"{scenario.name}: {found.reason}, {found.needed} are needed")  # noqa: TRY004 - a result
    return Learned(found.parameters, None, found.rounds, found.converged)
