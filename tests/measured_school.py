"""A school whose observables stand in the database as if they had been extracted; drawn from the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import numpy as np
from sqlalchemy import insert

from sightline.domain.indicators import Indicator, Scale
from sightline.domain.observables import Measured, Observable
from sightline.domain.skills import SKILLS, SOURCES, Source
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.measurement.card import fitted_card
from sightline.measurement.learned import Learned, LearnedFrom, LearnedIndicator
from sightline.measurement.norms import norms_of
from sightline.measurement.parameters import residual_variance
from sightline.pipeline.cards import measurement_card, published_card
from sightline.security.access import Role
from sightline.store import people
from sightline.store.database import Store
from sightline.store.people import School, Student
from sightline.store.schema import extractions, observables

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SITTINGS = (6, 3, 3)
LAM = {Source.GAME: 0.4, Source.TALK: 0.4, Source.TEACHER: 0.65}
GAM = {Source.GAME: 0.3, Source.TALK: 0.3, Source.TEACHER: 0.4}


@dataclass(frozen=True)
class Drawn:
    """Who there is, and everything that was observed of them."""

    school_id: UUID
    classes: tuple[UUID, ...]
    teachers: tuple[UUID, ...]
    rolls: Mapping[UUID, tuple[UUID, ...]]
    observables: Mapping[UUID, tuple[Observable, ...]]
    broken: Mapping[tuple[int, Source], float] = field(default_factory=dict)

    @property
    def students(self) -> tuple[UUID, ...]:
        return tuple(sorted(self.observables))


def drawn_school(
    seed: int,
    *,
    classes: int = 5,
    size: int = 24,
    broken: Mapping[tuple[int, Source], float] | None = None,
    sittings: tuple[int, int, int] = SITTINGS,
    end: datetime = NOW,
) -> Drawn:
    """Eight weeks of play, talk and ratings; `broken` shifts all of a source in a class, in SD of an indicator."""
    rng = np.random.default_rng(seed)
    names = tuple(sorted(uuid4() for _ in range(classes)))
    teachers = tuple(uuid4() for _ in range(classes))
    among = 0.45 + 0.55 * np.eye(len(SKILLS))
    rolls: dict[UUID, tuple[UUID, ...]] = {}
    found: dict[UUID, tuple[Observable, ...]] = {}
    for c, class_id in enumerate(names):
        severity = rng.normal(0, 0.4)
        rolls[class_id] = tuple(sorted(uuid4() for _ in range(size)))
        for student in rolls[class_id]:
            theta = dict(zip(SKILLS, rng.multivariate_normal(np.zeros(len(SKILLS)), among), strict=True))
            seen: list[Observable] = []
            for source, many in zip(SOURCES, sittings, strict=True):
                brought = rng.normal()
                for i in range(many):
                    sitting, shared = uuid4(), rng.normal(0, 0.25)
                    at = end - timedelta(weeks=8) * float((many - i - rng.uniform(0.1, 0.9)) / many)
                    for indicator in INDICATORS.values():
                        if indicator.source is not source or rng.random() < 0.3:
                            continue
                        y = LAM[source] * theta[indicator.skill] + GAM[source] * brought + shared
                        y += rng.normal(0, 0.75) + (broken or {}).get((c, source), 0.0)
                        y += severity if source is Source.TEACHER else 0.0
                        seen.append(
                            Observable(
                                observable_id=uuid5(sitting, indicator.name),
                                indicator=indicator.name,
                                student_id=student,
                                source=source,
                                sitting_id=sitting,
                                at=at,
                                measured=measured(indicator, indicator.direction * y, rng),
                                rater_id=teachers[c] if source is Source.TEACHER else None,
                            )
                        )
            found[student] = tuple(seen)
    return Drawn(uuid4(), names, teachers, rolls, found, broken or {})


def measured(indicator: Indicator, y: float, rng: np.random.Generator) -> Measured:
    """A raw value that the indicator's scale turns into about y."""
    if indicator.scale is Scale.PROPORTION:
        n = int(rng.integers(6, 15))
        k = round(float(np.sin(np.clip(np.pi / 4 + 0.25 * y, 0, np.pi / 2)) ** 2) * n)
        return Measured(value=k / n, opportunities=n, moments=(), counted=k)
    if indicator.scale is Scale.DURATION:
        return Measured(value=float(np.exp(3 + 0.5 * y)), opportunities=1, moments=())
    if indicator.scale is Scale.RUBRIC:
        return Measured(value=float(np.clip(np.rint(2.5 + 0.8 * y), 1, 4)), opportunities=1, moments=())
    return Measured(value=float(np.clip(0.5 + 0.15 * y, 0, 1)), opportunities=8, moments=())


async def put(store: Store, drawn: Drawn, *, title: str = "Drawn school", simulated: bool = True) -> None:
    """The school with classes, teachers, students and observables, written as the pipeline writes them."""
    async with store.work() as work:
        await people.add_school(work, School(drawn.school_id, title, simulated=simulated, created_at=NOW))
        for c, class_id in enumerate(drawn.classes):
            await people.add_class(work, drawn.school_id, class_id, f"Class {c + 1}")
            roll = [Student(s, f"Student {i:02}") for i, s in enumerate(drawn.rolls[class_id])]
            await people.add_students(work, drawn.school_id, class_id, roll)
            await people.add_staff(
                work, drawn.school_id, drawn.teachers[c], f"Teacher {c + 1}", Role.TEACHER, [class_id]
            )
    await put_observables(store, drawn, drawn.observables)


async def put_observables(
    store: Store, drawn: Drawn, seen: Mapping[UUID, tuple[Observable, ...]], *, revision: int = 1
) -> None:
    rows = [_row(drawn.school_id, o, revision) for of in seen.values() for o in of]
    sittings = {(row["sitting_id"], row["student_id"]): row for row in rows}
    async with store.work() as work:
        await work.execute(
            insert(extractions),
            [
                {key: row[key] for key in ("school_id", "sitting_id", "student_id", "catalog_version", "revision")}
                | {
                    "source": row["source"],
                    "extracted_at": NOW,
                    "fingerprint": str(row["sitting_id"]),
                    "content_hash": b"",
                    "absences": [],
                }
                for row in sittings.values()
            ],
        )
        await work.execute(insert(observables), rows)


def _row(school_id: UUID, o: Observable, revision: int) -> dict[str, object]:
    return {
        "school_id": school_id,
        "sitting_id": o.sitting_id,
        "student_id": o.student_id,
        "catalog_version": CATALOG_VERSION,
        "revision": revision,
        "indicator": o.indicator,
        "observable_id": o.observable_id,
        "source": o.source.value,
        "at": o.at,
        "value": o.measured.value,
        "opportunities": o.measured.opportunities,
        "counted": o.measured.counted,
        "exposure": o.measured.exposure,
        "rater_id": o.rater_id,
        "moments": [],
    }


def literature_as_fitted(drawn: Drawn, **changes: object) -> bytes:
    """A card as a fit makes it that found the literature's numbers, with the norms of this school."""
    start = measurement_card()
    norms = norms_of([o for seen in drawn.observables.values() for o in seen], INDICATORS).by_indicator
    indicators = {
        name: LearnedIndicator(
            skill=INDICATORS[name].skill,
            source=INDICATORS[name].source,
            c=0.0,
            lam=start.lam[INDICATORS[name].source],
            gam=start.gam[INDICATORS[name].source],
            s2=residual_variance(INDICATORS[name], norm, start),
            norm=norm,
            errors={},
        )
        for name, norm in norms.items()
    }
    learned = Learned(
        origin=LearnedFrom(
            students=len(drawn.observables), observations=1, first=NOW.date(), last=NOW.date(), sources=SOURCES
        ),
        indicators=indicators,
        om2=start.om2,
        tau2=start.tau2,
        kap2=0.1,
        tasks={},
        sigma=start.sigma,
        mu_beta=start.mu_beta,
        nu=np.inf,
        gam_learned=frozenset(),
    )
    version = f"as-fitted-{uuid4().hex[:6]}"
    learned = replace(learned, **changes)  # type: ignore[arg-type]
    return fitted_card(published_card(), learned, version=version, origin="a test", made=NOW.date())
