"""Learning a parameter card from the observables of one school or of many, and letting schools use one.

This module loads the numerical libraries: only commands import it, and only when they are run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import numpy as np

from sightline.domain.indicators import Indicator
from sightline.domain.observables import Observable
from sightline.errors import BadInput, NotFound
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.measurement.bootstrap import NEEDED_BELOW, REFITS, bootstrap
from sightline.measurement.card import LONGEST, SHORTEST, checksum, fitted_card, read_card
from sightline.measurement.enough import MINIMUM_SHOWING, TooLittle, too_little
from sightline.measurement.fitting import MOST_ROUNDS, Fitted, fit
from sightline.measurement.from_fit import learned_from, parameter_error
from sightline.measurement.items import items_of, time_in_window
from sightline.measurement.learned import LearnedFrom, as_json
from sightline.measurement.norms import Norms, norms_of
from sightline.measurement.observations import Index, Observations
from sightline.measurement.parameters import SKILL_AXIS, SOURCE_AXIS
from sightline.measurement.priors import Priors, literature_priors
from sightline.pipeline.cards import published_card
from sightline.pipeline.jobs import ask_rescore
from sightline.pipeline.scoring import end_of_window, without_set_aside
from sightline.store import cards, evidence, growth, people, quarantines
from sightline.store.database import Store, Work
from sightline.store.people import School

MOST_STUDENTS = 20_000
"""Students that a card is fitted on at most; more would only take longer."""

SEED = 20_260_301
"""Of the draws of students and refits, so that the same data gives the same card; any number does."""

ByStudent = Mapping[UUID, Sequence[Observable]]


@dataclass(frozen=True, slots=True)
class Told:
    """How far the fit is, for whoever waits: rounds of the search and refits, each as (done, of how many)."""

    rounds: Callable[[int, int], None]
    refits: Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Material:
    """What a card is fitted on: observations of all schools as one, in windows that end with each school's newest.

    indicators: in the order of the observations' numbers; unseen: those of the catalog that too few students
    showed for a norm; simulated: whether the students are made up.
    """

    schools: tuple[School, ...]
    observations: Observations
    indicators: tuple[Indicator, ...]
    norms: Norms
    origin: LearnedFrom
    weeks: float
    unseen: tuple[str, ...]
    simulated: bool


@dataclass(frozen=True, slots=True)
class Learnt:
    """A fit with the card that it became, and the priors that it began with."""

    material: Material
    fitted: Fitted
    priors: Priors
    version: str
    content: bytes


async def schools_to_fit(work: Work, school_id: UUID | None) -> list[School]:
    """One school, or all: made-up students are taken only where there are no others. Raises NotFound."""
    if school_id is not None:
        school = await people.school_of(work, school_id)
        if school is None:
            raise NotFound(f"there is no school {school_id}")
        return [school]
    every = await people.schools_of_all(work)
    return [school for school in every if not school.simulated] or every


async def gathered(store: Store, schools: Sequence[School]) -> dict[UUID, ByStudent]:
    """The observables of each school that count now: what is set aside is not learned from."""
    found: dict[UUID, ByStudent] = {}
    for school in schools:
        async with store.work() as work:
            seen = await evidence.current_observables(work, school.school_id, CATALOG_VERSION, moments=False)
            classes = await growth.enrolled(work, school.school_id)
            decisions = await quarantines.current(work, school.school_id)
        aside = frozenset(pair for pair, decision in decisions.items() if decision.set_aside)
        found[school.school_id] = without_set_aside(seen, classes, aside)
    return found


def material_of(schools: Sequence[School], by_school: Mapping[UUID, ByStudent], weeks: float) -> Material:
    """Everything inside the schools' windows, standardised together.

    Raises BadInput outside 4 to 12 weeks, and when nothing was observed.
    """
    if not SHORTEST <= weeks <= LONGEST:
        raise BadInput(f"a window of {weeks:g} weeks: the model is for {SHORTEST:g} to {LONGEST:g} weeks")
    windows: dict[UUID, tuple[datetime, ByStudent]] = {}
    for school_id, by_student in _at_most(by_school, MOST_STUDENTS).items():
        as_of = end_of_window(by_student)
        if as_of is not None:
            inside = {
                s: [o for o in seen if time_in_window(o.at, as_of, weeks) >= 0] for s, seen in by_student.items()
            }
            windows[school_id] = (as_of, {s: seen for s, seen in inside.items() if seen})
    everything = [o for _, inside in windows.values() for seen in inside.values() for o in seen]
    if not everything:
        raise BadInput("nothing was observed yet: there is no student to learn from")
    norms = norms_of(everything, INDICATORS)
    parts = [
        items_of(inside, indicators=INDICATORS, norms=norms, as_of=as_of, weeks=weeks)
        for as_of, inside in windows.values()
    ]
    observations = joined([part.observations for part in parts])
    days = sorted({o.at.date() for part in parts for o in part.observables})
    return Material(
        schools=tuple(schools),
        observations=observations,
        indicators=tuple(INDICATORS[name] for name in sorted(norms.by_indicator)),
        norms=norms,
        origin=LearnedFrom(
            students=len(np.unique(observations.student)),
            observations=len(observations.y),
            first=days[0],
            last=days[-1],
            sources=tuple(sorted({o.source for part in parts for o in part.observables})),
        ),
        weeks=weeks,
        unseen=tuple(name for name in INDICATORS if name not in norms.by_indicator),
        simulated=any(school.simulated for school in schools),
    )


def _at_most(by_school: Mapping[UUID, ByStudent], most: int) -> Mapping[UUID, ByStudent]:
    """All students, or so many of them drawn with a fixed seed."""
    everybody = sorted((school, student) for school, found in by_school.items() for student in found)
    if len(everybody) <= most:
        return by_school
    chosen = np.random.default_rng(SEED).choice(len(everybody), most, replace=False)
    drawn: dict[UUID, dict[UUID, Sequence[Observable]]] = {}
    for i in np.sort(chosen).tolist():
        school, student = everybody[i]
        drawn.setdefault(school, {})[student] = by_school[school][student]
    return drawn


def joined(parts: Sequence[Observations]) -> Observations:
    """Schools side by side: nobody and nothing is shared between them but the indicators. At least one."""

    def side_by_side(numbers: Sequence[Index], sizes: Sequence[int]) -> Index:
        before = np.cumsum([0, *sizes])
        return np.concatenate([np.where(n >= 0, n + b, n) for n, b in zip(numbers, before, strict=False)])

    return Observations(
        student=side_by_side([p.student for p in parts], [p.n_students for p in parts]),
        sitting=side_by_side([p.sitting for p in parts], [p.n_sittings for p in parts]),
        indicator=np.concatenate([p.indicator for p in parts]),
        time=np.concatenate([p.time for p in parts]),
        y=np.concatenate([p.y for p in parts]),
        sampling_variance=np.concatenate([p.sampling_variance for p in parts]),
        rater=side_by_side([p.rater for p in parts], [p.n_raters for p in parts]),
        task=side_by_side([p.task for p in parts], [p.n_tasks for p in parts]),
        n_students=sum(p.n_students for p in parts),
        n_sittings=sum(p.n_sittings for p in parts),
        n_raters=sum(p.n_raters for p in parts),
        n_tasks=sum(p.n_tasks for p in parts),
    )


def shortage(material: Material) -> str | None:
    """One line that says what is missing when there is too little to fit; None when there is enough."""
    lacking = too_little(material.observations)
    if lacking is None:
        return None
    return _shortage(lacking, material)


def _shortage(lacking: TooLittle, material: Material) -> str:
    o = material.observations
    counted = {
        "too_few_students": f"{lacking.found} students with observations",
        "too_few_observations": f"{lacking.found} observations a student",
    }[lacking.reason]
    seen = np.zeros((o.n_students, len(material.indicators)), dtype=np.bool_)
    seen[o.student, o.indicator] = True
    few = [i.name for i, n in zip(material.indicators, seen.sum(axis=0), strict=True) if n < MINIMUM_SHOWING]
    missing = [*few, *material.unseen]
    many = len(INDICATORS) - len(missing)
    raters = len(np.unique(o.rater[o.rater >= 0]))
    return (
        f"too little to learn from in the newest {material.weeks:g} weeks: {counted}, and {lacking.needed} are "
        f"needed; {many} of {len(INDICATORS)} indicators are shown by {MINIMUM_SHOWING} students or more"
        f"{' (missing: ' + ', '.join(missing) + ')' if missing else ''}; "
        f"{raters} {'rater' if raters == 1 else 'raters'}"
    )


def start_card(weeks: float) -> bytes:
    """The shipped card for a window of so many weeks: what a fit starts from, and the rules of reporting."""
    content = json.loads(published_card())
    parameters = content["parameters"]
    parameters["sd_beta"] *= weeks / parameters["weeks"]
    parameters["weeks"] = weeks
    return json.dumps(content | {"checksum": checksum(parameters)}).encode()


def learn(material: Material, *, made: date, told: Told) -> Learnt:
    """Fit, with refits for few students, and make a card of it. Raises BadInput when there is too little."""
    priors = literature_priors(material.origin.students, material.weeks)
    fitted = fit(
        material.observations,
        skill=np.array([SKILL_AXIS[i.skill] for i in material.indicators], dtype=np.intp),
        source=np.array([SOURCE_AXIS[i.source] for i in material.indicators], dtype=np.intp),
        priors=priors,
        progress=lambda done, _: told.rounds(done, MOST_ROUNDS),
    )
    if isinstance(fitted, TooLittle):
        raise BadInput(_shortage(fitted, material))
    added = 0.0
    if material.origin.students < NEEDED_BELOW:
        told.refits(0, REFITS)
        refits = bootstrap(
            material.observations, fitted, priors, rng=np.random.default_rng(SEED), progress=told.refits
        )
        added = parameter_error(fitted, refits, material.observations)
    learned = learned_from(
        fitted,
        origin=material.origin,
        names=[indicator.name for indicator in material.indicators],
        norms=material.norms.by_indicator,
        parameter_error=added,
    )
    start = start_card(material.weeks)
    name = hashlib.sha256(start + json.dumps(as_json(learned), sort_keys=True).encode()).hexdigest()[:8]
    version = f"fitted-{made.isoformat()}-{name}"
    content = fitted_card(start, learned, version=version, origin=_origin(material, fitted), made=made)
    return Learnt(material, fitted, priors, version, content)


def origin_of(learnt: Learnt) -> str:
    """What a card was fitted on, and what a reader must know."""
    return _origin(learnt.material, learnt.fitted)


def _origin(material: Material, fitted: Fitted) -> str:
    origin, many = material.origin, len(material.schools)
    who = "simulated students" if material.simulated else "students"
    said = (
        f"fitted on {origin.students} {who} of {'one school' if many == 1 else f'{many} schools'}, "
        f"{origin.observations} observations from {origin.first} to {origin.last}"
    )
    return "; ".join([said, *fitted.notes])


async def use_card(work: Work, school_ids: Sequence[UUID], content: bytes, *, now: datetime) -> str:
    """Let schools use a card and ask for their scores; returns its version. Raises CardInvalid, NotFound."""
    card = read_card(content)
    for school_id in school_ids:
        if await people.school_of(work, school_id) is None:
            raise NotFound(f"there is no school {school_id}")
        await cards.use_card(work, school_id, version=card.version, content=content, at=now)
        await ask_rescore(work, school_id, now)
    return card.version
