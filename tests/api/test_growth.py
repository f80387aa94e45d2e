"""Growth of a class over the real API: tested whenever the school is scored, read only by who may."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select

from builders import Town, bearer
from sightline.domain.skills import SKILLS
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.measurement.assess import Frame
from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.norms import norms_of
from sightline.measurement.slopes import SchoolSlopes
from sightline.pipeline.cards import measurement_card
from sightline.pipeline.growing import growth_of_classes
from sightline.pipeline.scoring import end_of_day, rescore_school
from sightline.store import growth, people
from sightline.store.database import Store
from sightline.store.people import Student
from sightline.store.schema import class_growth, disclosures

pytestmark = pytest.mark.asyncio

NOW = datetime.now(UTC)


async def a_class_of(store: Store, town: Town, size: int) -> list[UUID]:
    """Class 1 filled up to `size` students."""
    crowd = [*town.here.class_of(0), *(uuid4() for _ in range(size - 3))]
    roll = [Student(s, f"Child {i:02}") for i, s in enumerate(crowd)]
    async with store.work() as work:
        await people.add_students(work, town.here.school_id, town.here.classes[0], roll)
    return crowd


async def rated_weekly(client: httpx.AsyncClient, town: Town, crowd: list[UUID], *, rise: float) -> None:
    """Nine weekly ratings of every student in every skill, higher each week by `rise` levels."""
    rng = np.random.default_rng(1)
    own = rng.normal(2.2, 0.5, size=(len(crowd), len(SKILLS)))
    for week in range(9):
        at = NOW - timedelta(days=6.8 * (8 - week))  # the first is inside the window of eight weeks
        level = np.clip(np.rint(own + rise * week + rng.normal(0, 0.5, size=own.shape)), 1, 4)
        cells = [
            {
                "student_id": str(student),
                "skill": skill,
                "level": int(level[i, k]),
                "occasion": at.date().isoformat(),
                "rated_at": at.isoformat(),
            }
            for i, student in enumerate(crowd)
            for k, skill in enumerate(SKILLS)
        ]
        sent = await client.put(
            "/api/v1/ratings", json={"ratings": cells}, headers=bearer(town.here.teacher_tokens[0])
        )
        assert sent.status_code == 200, sent.text


async def of_class(client: httpx.AsyncClient, town: Town) -> httpx.Response:
    return await client.get(
        f"/api/v1/classes/{town.here.classes[0]}/growth", headers=bearer(town.here.teacher_tokens[0])
    )


async def test_before_anything_was_tested_nothing_is_said(client: httpx.AsyncClient, town: Town) -> None:
    body = (await of_class(client, town)).json()
    assert body["as_of"] is None
    assert body["weeks"] is None
    assert body["skills"] == {}
    assert body["students"] == []


async def test_a_class_whose_ratings_rise_every_week_grew_and_one_that_is_rated_alike_did_not(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    crowd = await a_class_of(store, town, 12)
    await rated_weekly(client, town, crowd, rise=0.2)
    async with store.work() as work:
        assert await rescore_school(work, town.here.school_id, now=NOW) == len(crowd)
        assert await rescore_school(work, town.here.school_id, now=NOW) == 0
    answer = await of_class(client, town)
    body = answer.json()
    assert body["weeks"] == measurement_card().weeks
    assert list(body["skills"]) == list(SKILLS)
    for skill, said in body["skills"].items():
        assert said["status"] == "growth", said
        assert said["finding"]["change"] >= 0.2
        assert said["finding"]["q"] < 0.05
        assert f"this class grew in {skill}" in said["words"]
    assert {UUID(s["student_id"]) for s in body["students"]} == set(crowd)
    known = await client.get(
        f"/api/v1/classes/{town.here.classes[0]}/growth",
        headers=bearer(town.here.teacher_tokens[0]) | {"If-None-Match": answer.headers["ETag"]},
    )
    assert known.status_code == 304
    async with store.work() as work:
        entries = await work.execute(
            select(func.count()).select_from(class_growth).where(class_growth.c.school_id == town.here.school_id)
        )
        assert entries.scalar_one() == 2, "one entry a class; tested again from the same, nothing is appended"
        looks = await work.execute(
            select(disclosures.c.student_ids).where(
                disclosures.c.school_id == town.here.school_id, disclosures.c.what == "class growth"
            )
        )
        assert set(looks.scalars().first() or ()) == set(crowd)


async def test_a_class_that_is_rated_alike_every_week_has_no_growth_to_announce(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    crowd = await a_class_of(store, town, 12)
    await rated_weekly(client, town, crowd, rise=0.0)
    async with store.work() as work:
        await rescore_school(work, town.here.school_id, now=NOW)
    body = (await of_class(client, town)).json()
    for said in (*body["skills"].values(), *(s["overall"] for s in body["students"])):
        assert said["status"] not in {"growth", "decline"}, said
        assert "could only have shown a change of" in said["words"]
    assert all(student["skills"] == {} for student in body["students"])


async def test_who_left_the_class_is_not_shown_and_a_handful_is_no_class(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    here = town.here
    norms = norms_of([], INDICATORS)
    frame = Frame(
        indicators=INDICATORS,
        norms=norms,
        card=measurement_card(),
        catalog_version=CATALOG_VERSION,
        as_of=end_of_day(NOW),
        computed_at=NOW,
    )
    gone = uuid4()
    seen = (*here.class_of(0), gone)
    mean = np.zeros((4, STATE))
    mean[:, N_SKILLS : 2 * N_SKILLS] = 3.0
    slopes = SchoolSlopes(
        students=seen,
        mean=mean,
        covariance=np.tile(0.1 * np.eye(STATE), (4, 1, 1)),
        severity_gain=np.zeros((4, STATE, 0)),
        severity_covariance=np.zeros((0, 0)),
    )
    found = growth_of_classes(slopes, {here.classes[0]: seen}, frame)
    assert growth_of_classes(slopes, {}, replace(frame, card=replace(frame.card, weeks=20.0))) == ()
    async with store.work() as work:
        assert await growth.add_growth(work, here.school_id, found) == 1
        assert await growth.add_growth(work, here.school_id, found) == 0
        assert await growth.newest_growth(work, here.school_id, here.classes[0]) == found[0]
    body = (await of_class(client, town)).json()
    assert {UUID(s["student_id"]) for s in body["students"]} == set(here.class_of(0))
    assert all(said["status"] == "too_few" and said["finding"] is None for said in body["skills"].values())
    for student in body["students"]:
        assert student["overall"]["status"] == "growth"
        assert list(student["skills"]) == list(SKILLS), "selected students are tested skill by skill"
