"""The product's own fitting and posterior, as the benchmark asks for them: nothing of the model is written again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.measurement.scenarios import Scenario
from bench.measurement.world import Simulated
from sightline.measurement import kernel
from sightline.measurement.bootstrap import NEEDED_BELOW, Refits, bootstrap
from sightline.measurement.fitting import Fitted, fit
from sightline.measurement.observations import Observations, Parameters
from sightline.measurement.posterior import Solved
from sightline.measurement.priors import Priors, literature_priors
from sightline.measurement.robust import solve_settled

NEARLY_NOTHING = 1e-4
"""Prior SD of a loading that is turned off."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A card learned without labels, and cards that might as well be true when there were few students."""

    card: Parameters
    refits: Refits | None


def believed(observations: Observations, card: Parameters, *, flat_slopes: bool = False) -> Solved:
    """The posterior under a card; heavy-tailed errors are pulled in under the card's own prior of changes."""
    solved = solve_settled(observations, card, kernel).solved
    if not flat_slopes:
        return solved
    return kernel.posterior(solved.information, card, n_raters=observations.n_raters, flat_slopes=True)


def learned(rng: np.random.Generator, simulated: Simulated, scenario: Scenario) -> Learned:
    """Fit from the priors of the literature, with refits under 1,000 students as the product does. Raises ValueError when there is too little to fit."""
    seen = simulated.observations
    priors = literature_priors(seen.n_students, scenario.weeks)
    found = _fitted(simulated, priors)
    if not scenario.refits or seen.n_students >= NEEDED_BELOW:
        return Learned(found.parameters, None)
    return Learned(found.parameters, bootstrap(seen, found, priors, rng=rng, refits=scenario.refits))


def learned_without(simulated: Simulated, scenario: Scenario) -> Parameters:
    """The negative control: fitted as well as can be, with no method and no sitting term."""
    priors = literature_priors(simulated.observations.n_students, scenario.weeks)
    nothing = np.zeros_like(priors.gam)
    return _fitted(
        simulated, replace(priors, gam=nothing, gam_sd=nothing + NEARLY_NOTHING, om2=nothing)
    ).parameters


def _fitted(simulated: Simulated, priors: Priors) -> Fitted:
    seen, indicators = simulated.observations, simulated.truth.parameters
    found = fit(seen, skill=indicators.skill, source=indicators.source, priors=priors)
    if not isinstance(found, Fitted):
        raise ValueError(f"too little to fit: {found.reason}, {found.needed}")  # noqa: TRY004 - a result
    return found
