"""The product's own fitting and posterior, as the benchmark asks for them: nothing of the model is written again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.measurement.scenarios import Scenario
from bench.measurement.world import Simulated
from sightline.measurement.expectation import moments
from sightline.measurement.kernel import solve
from sightline.measurement.maximisation import Held, at_priors, literature_priors, maximised
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.posterior import Solved


@dataclass(frozen=True, slots=True)
class Learned:
    card: Parameters
    between: Floats | None


@dataclass(frozen=True, slots=True)
class Believed:
    solved: Solved


def believed(observations: Observations, card: Parameters, *, flat_slopes: bool = False) -> Believed:
    return Believed(solve(observations, card, flat_slopes=flat_slopes))


def learned(rng: np.random.Generator, simulated: Simulated, scenario: Scenario) -> Learned:
    o = simulated.observations
    w = simulated.truth.parameters
    pr = literature_priors(o.n_students, scenario.weeks)
    p = at_priors(w.skill, w.source, pr, o.n_tasks)
    there = np.bincount(o.indicator, minlength=len(w.skill)) > 0
    one = len(np.unique(w.source[o.indicator])) == 1
    held = Held(np.full(len(w.skill), one), ~there)
    for _ in range(25):
        sv = solve(o, p)
        p = maximised(moments(o, p, sv), sv, p, pr, held, o)
    return Learned(p, None)
