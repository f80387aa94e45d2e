"""One scenario and seed: simulate, fit without labels, score, beside an oracle, the rivals and a negative control."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from bench.measurement import changes, counted, rivals, world
from bench.measurement.changes import Discovered, Rate
from bench.measurement.fitted import believed, learned, learned_without
from bench.measurement.scenarios import WITH_BOOSTING, WITH_CONTROL, Scenario
from bench.measurement.scoring import (
    Binned,
    Estimates,
    by_reliability,
    calibration_error,
    coverage,
    estimates,
    rmse,
)
from bench.measurement.world import Simulated, only
from sightline.measurement.bootstrap import Refits
from sightline.measurement.card import N_SKILLS
from sightline.measurement.observations import Floats, Parameters
from sightline.measurement.posterior import Solved


@dataclass(frozen=True, slots=True)
class School:
    """Simulated students with the world that they come from, and what was learned without looking at the truth.

    refits: cards that might as well be true, when there were few students.
    """

    scenario: Scenario
    seed: int
    world: Parameters
    simulated: Simulated
    card: Parameters
    refits: Refits | None

    def others(self, part: str, beta: Floats | None = None, number: int | None = None) -> Simulated:
        """Other students of the same world, drawn for a named purpose."""
        rng = generator(self.seed, self.scenario.name, part)
        return _draw(rng, self.scenario, self.world, beta=beta, number=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one scenario and seed. None: there is no such thing here, such as an oracle for generator B.

    Errors are RMSE against the true level at the end of the window (SD), rivals after their best rescaling; fixed_raw: sources not
    put on one scale first;
    boosted_label, boosted_truth: share of conformal intervals that hold the rating, and the true skill.
    control: coverage of a model that is fitted without method and sitting terms. binned: by claimed reliability.
    """

    scenario: str
    seed: int
    items: float
    coverage: float
    reliability: float
    rmse: float
    calibration: float
    severity_r: float | None
    oracle_coverage: float | None
    oracle_rmse: float | None
    lam_rmse: float | None
    gam_rmse: float | None
    fixed_rmse: float
    fixed_raw_rmse: float
    thirds_rmse: float
    boosted_rmse: float | None
    boosted_label: float | None
    boosted_truth: float | None
    control: float | None
    binned: Binned
    oracle_binned: Binned | None
    control_binned: Binned | None
    alarms: tuple[Rate, ...]
    discovered: tuple[Discovered, ...]


def generator(seed: int, *parts: str) -> np.random.Generator:
    """Random numbers of a named part, the same in every run and whatever else is run."""
    return np.random.default_rng([seed, crc32("/".join(parts).encode())])


def school(seed: int, scenario: Scenario) -> School:
    """Simulate a scenario and fit a card: on these students, or on others when the scenario says so."""
    rng = generator(seed, scenario.name)
    drawn_world = world.world(rng, scenario)
    simulated = _draw(rng, scenario, drawn_world)
    fitted_on = _draw(rng, scenario, drawn_world) if scenario.fitted_on_others else simulated
    found = learned(generator(seed, scenario.name, "bootstrap"), fitted_on, scenario)
    return School(scenario, seed, drawn_world, simulated, found.card, found.refits)


def with_sources(at: School, scenario: Scenario) -> School:
    """The same students and card, scored by the scenario's sources alone: as after a withdrawn consent."""
    wanted = [world.AXES[s] for s in scenario.sources]
    seen = at.simulated.observations
    kept = only(seen, np.isin(at.world.source[seen.indicator], wanted))
    return replace(at, scenario=scenario, simulated=replace(at.simulated, observations=kept))


def outcome(at: School) -> Outcome:
    """Score one school in every way that its scenario allows."""
    scenario, simulated, truth = at.scenario, at.simulated, at.simulated.truth
    own = believed(simulated.observations, at.card)
    between = None if at.refits is None else at.refits.inflation(simulated.observations)
    mine = estimates(own, at.card, between)
    oracle = _oracle(at)
    control, control_estimates = _control(at)
    boosted = _boosted(at)
    parameters, comparable = at.world, scenario.has_an_oracle
    used = np.isin(parameters.source, [world.AXES[s] for s in scenario.sources])
    by_source = rivals.source_means(simulated.observations, parameters)
    nobody = at.others("nobody changes", np.zeros_like(truth.beta))
    return Outcome(
        scenario=scenario.name,
        seed=at.seed,
        items=len(simulated.observations.y) / simulated.observations.n_students,
        coverage=coverage(mine, truth.level),
        reliability=float(mine.reliability.mean()),
        rmse=rmse(mine.mean, truth.level),
        calibration=calibration_error(mine, truth.level),
        severity_r=_severity_r(at, own),
        oracle_coverage=None if oracle is None else coverage(oracle, truth.level),
        oracle_rmse=None if oracle is None else rmse(oracle.mean, truth.level),
        lam_rmse=rmse(at.card.lam[used], parameters.lam[used]) if comparable else None,
        gam_rmse=rmse(at.card.gam[used], parameters.gam[used]) if comparable else None,
        fixed_rmse=_rival(rivals.fixed_weights(rivals.on_one_scale(by_source)), truth.level),
        fixed_raw_rmse=_rival(rivals.fixed_weights(by_source), truth.level),
        thirds_rmse=_rival(rivals.equal_thirds(rivals.on_one_scale(by_source)), truth.level),
        boosted_rmse=None if boosted is None else _rival(boosted.predicted, truth.level),
        boosted_label=None if boosted is None else _held(boosted, boosted.label),
        boosted_truth=None if boosted is None else _held(boosted, truth.level),
        control=control,
        binned=by_reliability(mine, truth.level),
        oracle_binned=None if oracle is None else by_reliability(oracle, truth.level),
        control_binned=None if control_estimates is None else by_reliability(control_estimates, truth.level),
        alarms=changes.alarms(changes.growth(nobody, at.card, scenario, changes.TEST_LEVEL), truth.classes),
        discovered=tuple(_mixture(at, str(number)) for number in range(changes.MIXTURES)),
    )


def _draw(
    rng: np.random.Generator,
    scenario: Scenario,
    parameters: Parameters,
    *,
    beta: Floats | None = None,
    number: int | None = None,
) -> Simulated:
    make = counted.students if scenario.counted else world.students
    return make(rng, scenario, parameters, beta=beta, number=number)


def _oracle(at: School) -> Estimates | None:
    if not at.scenario.has_an_oracle:
        return None
    return estimates(believed(at.simulated.observations, at.world), at.world)


def _mixture(at: School, number: str) -> Discovered:
    rng = generator(at.seed, at.scenario.name, "who changes", number)
    mixed = at.others(f"some change {number}", changes.mixture(rng, len(at.simulated.truth.beta)))
    return changes.discovered(changes.growth(mixed, at.card, at.scenario, changes.FDR_LEVEL), mixed)


def _control(at: School) -> tuple[float | None, Estimates | None]:
    """A model without method and sitting terms, fitted to the same students."""
    if at.scenario.name not in WITH_CONTROL:
        return None, None
    off = learned_without(at.simulated, at.scenario)
    found = estimates(believed(at.simulated.observations, off), off)
    return coverage(found, at.simulated.truth.level), found


def _boosted(at: School) -> rivals.Boosted | None:
    if at.scenario.name not in WITH_BOOSTING:
        return None
    return rivals.boosting(generator(at.seed, at.scenario.name, "boosting"), at.simulated)


def _severity_r(at: School, found: Solved) -> float | None:
    seen = np.bincount(
        at.simulated.observations.rater[at.simulated.observations.rater >= 0],
        minlength=at.simulated.observations.n_raters,
    )
    if (seen > 0).sum() < N_SKILLS:  # no ratings, or too few raters for a correlation
        return None
    return float(np.corrcoef(found.severity.mean, at.simulated.truth.severity)[0, 1])


def _rival(score: Floats, truth: Floats) -> float:
    return rmse(rivals.best_rescaled(score, truth), truth)


def _held(boosted: rivals.Boosted, truth: Floats) -> float:
    return float(np.mean(np.abs(boosted.predicted - truth) <= boosted.half_width))
