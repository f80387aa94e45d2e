"""All of the benchmark, or the parts of it that a short run can decide; the same seeds give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

import numpy as np

from bench.measurement import changes, laws, suspects
from bench.measurement.changes import NO_TESTS, Rate
from bench.measurement.laws import Laws, Speed
from bench.measurement.scenarios import BASE, COUNTED, HEAVY_TAILS, SCENARIOS, Scenario
from bench.measurement.schooling import Outcome, School, generator, outcome, school, with_sources
from bench.measurement.suspects import Broken, Planted

SEEDS = (101, 102, 103, 104, 105)
SHORT_SEEDS = (101, 102)
SHORT_SCENARIOS = tuple(replace(s, refits=0) for s in (BASE, HEAVY_TAILS, COUNTED))

SHORT_EFFECTS = (0.0, 0.5)

Told = Callable[[str], None]
Task = tuple[int, Scenario, tuple[Scenario, ...]]
Done = tuple[list[Outcome], School | None]


class Every(Protocol):
    """`map`, or the same in several processes: results come in the order of the tasks."""

    def __call__(
        self,
        function: Callable[[Task], Done],
        tasks: Sequence[Task],
        /,
    ) -> Iterable[Done]: ...


@dataclass(frozen=True, slots=True)
class Power:
    """How often a rise of one size is seen at the three levels, by the fitted card and by the oracle, and their number."""

    effect: float
    fitted: tuple[Rate, ...]
    oracle: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that a run found, in the order of scenarios and seeds."""

    seeds: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    power: tuple[Power, ...]
    dif_alone: tuple[Planted, ...]
    dif_together: Planted
    broken: tuple[Broken, ...]
    laws: Laws
    speed: Speed | None
    example: School

    def of(self, name: str) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.scenario == name)

    @property
    def names(self) -> tuple[str, ...]:
        """Scenarios that were run, each once, in order."""
        return tuple(dict.fromkeys(o.scenario for o in self.outcomes))


def full(
    told: Told, seeds: Sequence[int] = SEEDS, scenarios: Sequence[Scenario] = SCENARIOS, jobs: int = 1
) -> Results:
    """Every scenario and seed, in so many processes; `told` hears one line for each scenario."""
    with ExitStack() as open_until_done:
        every: Every = map
        if jobs > 1:
            every = open_until_done.enter_context(ProcessPoolExecutor(jobs)).map
        return _run(told, tuple(seeds), tuple(scenarios), changes.EFFECTS, every, timed=True)


def short(told: Told) -> Results:
    """Two seeds of three scenarios: enough for the marks that a small run can decide."""
    return _run(told, SHORT_SEEDS, SHORT_SCENARIOS, SHORT_EFFECTS, map, timed=False)


def _run(
    told: Told,
    seeds: tuple[int, ...],
    scenarios: tuple[Scenario, ...],
    effects: Sequence[float],
    every: Every,
    *,
    timed: bool,
) -> Results:
    outcomes: list[Outcome] = []
    bases: list[School] = []
    fitted = [s for s in scenarios if not s.card_of_base]
    along = tuple(s for s in scenarios if s.card_of_base)
    tasks = [(seed, s, along if s.name == BASE.name else ()) for s in fitted for seed in seeds]
    found = iter(every(_one, tasks))
    for place, scenario in enumerate(fitted, start=1):
        for several, at in islice(found, len(seeds)):
            outcomes += several
            bases += [] if at is None else [at]
        mine = [o for o in outcomes if o.scenario == scenario.name]
        told(
            f"{place:2d}/{len(fitted)} {scenario.name:24s} coverage {np.mean([o.coverage for o in mine]):.3f}"
            f"  RMSE {np.mean([o.rmse for o in mine]):.3f}"
        )
    order = {s.name: place for place, s in enumerate(scenarios)}
    outcomes.sort(key=lambda o: (order[o.scenario], o.seed))
    told("power of growth")
    power = tuple(_power(bases, effect) for effect in effects)
    told("DIF and broken sources")
    alone = tuple(_added(suspects.dif_alone, bases, size) for size in suspects.DIF_SIZES)
    together = _added(suspects.dif_together, bases, suspects.DIF_SIZES[0])
    broken = tuple(suspects.broken_source(at) for at in bases)
    told("laws" + (" and speed" if timed else ""))
    return Results(
        seeds=seeds,
        outcomes=tuple(outcomes),
        power=power,
        dif_alone=alone,
        dif_together=together,
        broken=broken,
        laws=laws.laws(generator(seeds[0], "laws")),
        speed=laws.speed(generator(seeds[0], "speed")) if timed else None,
        example=bases[0],
    )


def _one(task: Task) -> Done:
    """One scenario and seed, with those that share its card, and the school itself when more is done with it."""
    seed, scenario, along = task
    at = school(seed, scenario)
    found = [outcome(at), *(outcome(with_sources(at, other)) for other in along)]
    return found, at if scenario.name == BASE.name else None


def _added(look: Callable[[School, float], Planted], bases: Sequence[School], size: float) -> Planted:
    found = [look(at, size) for at in bases]
    return sum(found[1:], start=found[0])


def _power(bases: Sequence[School], effect: float) -> Power:
    fitted: tuple[Rate, ...] = (NO_TESTS,) * 3
    oracle: tuple[Rate, ...] = (NO_TESTS,) * 3
    for at in bases:
        everybody = np.full_like(at.simulated.truth.beta, effect)
        risen = at.others(f"all rise by {effect:g}", everybody)
        classes = risen.truth.classes
        found = changes.rises(changes.growth(risen, at.card, at.scenario, changes.TEST_LEVEL), classes)
        known = changes.rises(changes.growth(risen, at.world, at.scenario, changes.TEST_LEVEL), classes)
        fitted = tuple(a + b for a, b in zip(fitted, found, strict=True))
        oracle = tuple(a + b for a, b in zip(oracle, known, strict=True))
    return Power(effect, fitted, oracle)
