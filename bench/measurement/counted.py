"""Generator B, out of the model's family: events are counted and ratings are categories.

Game and talk: k of n opportunities with a probability through a logit of equation (1)'s predictor, overdispersed;
then what the product does with rates (asin sqrt, sampling variance from exposure, standardised in the sample).
Teachers: four categories. Nothing of this is linear or normal, so there is no true lam to compare with.
"""

from __future__ import annotations

import numpy as np

from bench.measurement.scenarios import Scenario
from bench.measurement.world import (
    TEACHER,
    Simulated,
    errors,
    four_categories,
    observations,
    people,
    predictor,
    sittings,
    standardised,
)
from sightline.measurement.observations import Floats, Parameters

EASE = (-1.5, 1.5)
"""Logit of an indicator's rate for a mean student in a mean task, lowest and highest."""

SPREAD = 1.0
"""Logits per SD of the predictor with its overdispersion."""


def students(
    rng: np.random.Generator,
    scenario: Scenario,
    parameters: Parameters,
    *,
    beta: Floats | None = None,
    number: int | None = None,
) -> Simulated:
    """As `world.students`, from counts."""
    n = scenario.students if number is None else number
    skills = people(rng, scenario, parameters, n, beta)
    design = sittings(rng, scenario, skills)
    spread = np.sqrt(parameters.s2)[design.indicator] * rng.standard_normal(len(design.indicator))
    latent = predictor(rng, scenario, parameters, skills, design) + spread
    ease = np.linspace(*EASE, len(parameters.skill))
    chance = 1.0 / (1.0 + np.exp(-(ease[design.indicator] + SPREAD * latent)))
    tried = (design.opportunities + rng.poisson(4.0, len(latent))).astype(np.int64)
    reached = rng.binomial(tried, chance)
    y = np.arcsin(np.sqrt((reached + 0.375) / (tried + 0.75)))
    variance = (1.0 / (4.0 * tried + 2.0)).astype(np.float64)
    rated = design.source == TEACHER
    y[rated] = (latent + errors(rng, scenario, parameters, design) - spread)[rated]
    variance[rated] = 0.0
    for j in range(len(parameters.skill)):
        mine = design.indicator == j
        if mine.any():
            values = four_categories(y[mine]) if parameters.source[j] == TEACHER else y[mine]
            variance[mine] /= values.var()
            y[mine] = standardised(values)
    return Simulated(observations(design, y, variance, skills), skills.truth)
