"""From a fit to a card and back: what scores students is what was learned, and the card says how surely."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from importlib.resources import files

import numpy as np

from sightline.domain.indicators import Indicator
from sightline.domain.skills import SKILLS, SOURCES, Source
from sightline.features.catalog import INDICATORS
from sightline.measurement.bootstrap import Refits, bootstrap
from sightline.measurement.card import fitted_card, read_card
from sightline.measurement.fitting import Fitted, fit
from sightline.measurement.from_fit import learned_from, parameter_error
from sightline.measurement.kernel import solve
from sightline.measurement.learned import Learned, LearnedFrom
from sightline.measurement.norms import Norm
from sightline.measurement.parameters import parameters_for
from sightline.measurement.priors import literature_priors
from simulated_family import Design, Simulated, simulate

RAW = files("sightline.params").joinpath("measurement-literature-1.json").read_bytes()
TASKS = tuple(f"level/{q}" for q in range(24))


@cache
def school() -> tuple[Simulated, Fitted]:
    simulated = simulate(np.random.default_rng(21), Design(students=150))
    truth = simulated.truth
    found = fit(simulated.observations, skill=truth.skill, source=truth.source, priors=literature_priors(150))
    assert isinstance(found, Fitted)
    return simulated, found


def indicators() -> list[Indicator]:
    truth, row = school()[0].truth, next(iter(INDICATORS.values()))
    pairs = zip(truth.skill, truth.source, strict=True)
    return [replace(row, name=f"shown-{j}", skill=SKILLS[k], source=SOURCES[s]) for j, (k, s) in enumerate(pairs)]


def learned(fitted: Fitted, error: float = 0.0) -> Learned:
    names = [indicator.name for indicator in indicators()]
    norm = Norm(mean=0.0, spread=1.0, students=150, observables=600, typical_sampling_variance=0.0)
    day = date(2026, 3, 9)
    origin = LearnedFrom(students=150, observations=17_000, first=day, last=day, sources=tuple(Source))
    return learned_from(
        fitted,
        origin=origin,
        names=names,
        norms=dict.fromkeys(names, norm),
        tasks=TASKS,
        parameter_error=error,
    )


def test_students_scored_with_the_card_get_the_estimates_of_the_fit() -> None:
    simulated, found = school()
    raw = fitted_card(RAW, learned(found), version="fitted-1", origin="a test", made=date(2026, 3, 10))
    parameters = parameters_for(read_card(raw), indicators(), tasks=TASKS)
    scored = solve(simulated.observations, parameters)
    assert np.abs(scored.mean - found.solved.mean).max() < 1e-4
    assert np.abs(scored.covariance - found.solved.covariance).max() < 1e-4


def test_standard_errors_are_given_for_what_was_learned_only() -> None:
    _, found = school()
    held = replace(found.held, gam=np.array([source == 1 for source in found.parameters.source]))
    errors = found.standard_errors.copy()
    errors[held.gam, 1] = np.nan
    part = learned(replace(found, held=held, standard_errors=errors))
    assert part.gam_learned == {Source.GAME, Source.TEACHER}
    for indicator in part.indicators.values():
        assert set(indicator.errors) == ({"lam"} if indicator.source is Source.TALK else {"lam", "gam"})


def test_one_number_for_the_parameters_errors_adds_as_much_as_the_refits_do_on_average() -> None:
    simulated, found = school()
    o = simulated.observations
    refits = bootstrap(o, found, literature_priors(150), rng=np.random.default_rng(2), refits=4)
    error = parameter_error(found, refits, o)
    assert 0.005 < error < 0.1
    assert parameter_error(found, Refits(parameters=(found.parameters,) * 3), o) < 1e-20
    level = slice(0, 7)
    added = np.einsum("nii->i", refits.inflation(o))[level].sum()
    taken = np.einsum("nii->i", found.parameters.prior_covariance - found.solved.covariance)[level].sum()
    assert 0.6 < error * taken / added < 1.6
