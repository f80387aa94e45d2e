"""A source that is broken in a class is set aside there, people are told, and it counts again when sound."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from builders import SECRET, bearer
from measured_school import NOW, Drawn, drawn_school, put, put_observables
from sightline.domain.observables import Measured, Observable
from sightline.domain.skills import Source
from sightline.pipeline.scoring import Scored, score_school
from sightline.pipeline.signing_in import issue_for_staff
from sightline.security.identity import CredentialKind
from sightline.store.assessments import newest_assessments
from sightline.store.database import Store
from sightline.store.schema import quarantines

pytestmark = pytest.mark.asyncio

BROKEN = 2


async def score(store: Store, drawn: Drawn) -> Scored:
    async with store.work() as work:
        return await score_school(work, drawn.school_id, now=NOW)


async def decisions(store: Store, drawn: Drawn) -> list[tuple[UUID, str, bool]]:
    async with store.work() as work:
        found = await work.execute(
            select(quarantines.c.class_id, quarantines.c.source, quarantines.c.set_aside)
            .where(quarantines.c.school_id == drawn.school_id)
            .order_by(quarantines.c.entry)
        )
        return [(row.class_id, row.source, row.set_aside) for row in found]


async def sources_that_count(store: Store, drawn: Drawn, student: UUID) -> set[Source]:
    async with store.work() as work:
        found = await newest_assessments(work, drawn.school_id, [student])
    return {c.source for c in found[student].results[0].contributions}


async def signed_in(store: Store, drawn: Drawn, teacher: int) -> dict[str, str]:
    async with store.work() as work:
        token = await issue_for_staff(
            work,
            drawn.school_id,
            drawn.teachers[teacher],
            CredentialKind.ACCESS_TOKEN,
            secret_key=SECRET,
            now=datetime.now(UTC),
        )
    return bearer(token)


def mended_talk(drawn: Drawn, student: UUID) -> tuple[Observable, ...]:
    """The talk of a student of the broken class with values as a sound class has them."""
    sound: dict[str, list[Measured]] = {}
    for other in drawn.rolls[drawn.classes[0]]:
        for o in drawn.observables[other]:
            sound.setdefault(o.indicator, []).append(o.measured)
    return tuple(
        replace(o, measured=sound[o.indicator][i % len(sound[o.indicator])])
        for i, o in enumerate(drawn.observables[student])
        if o.source is Source.TALK
    )


async def test_a_broken_source_is_set_aside_told_and_lifted_when_it_is_sound_again(
    client: httpx.AsyncClient, store: Store
) -> None:
    drawn = drawn_school(1, classes=6, size=12, broken={(BROKEN, Source.TALK): 2.5})
    await put(store, drawn)
    broken, sound = drawn.classes[BROKEN], drawn.classes[0]
    await score(store, drawn)
    assert await decisions(store, drawn) == [(broken, "talk", True)]
    here, elsewhere = drawn.rolls[broken][0], drawn.rolls[sound][0]
    assert await sources_that_count(store, drawn, here) == {Source.GAME, Source.TEACHER}
    assert await sources_that_count(store, drawn, elsewhere) == set(Source)

    teacher = await signed_in(store, drawn, BROKEN)
    of_class = (await client.get(f"/api/v1/classes/{broken}/skills", headers=teacher)).json()
    of_student = (await client.get(f"/api/v1/students/{here}/skills", headers=teacher)).json()
    for told in (of_class["set_aside"], of_student["set_aside"]):
        (one,) = told
        assert one["source"] == "talk"
        assert "recorded group talk does not count in Class 3 since" in one["words"]
        assert "far above what all other evidence says" in one["words"]
    other = await signed_in(store, drawn, 0)
    assert (await client.get(f"/api/v1/classes/{sound}/skills", headers=other)).json()["set_aside"] == []

    again = await score(store, drawn)
    assert again.changed == 0
    assert len(await decisions(store, drawn)) == 1, "nothing is appended while nothing changes"

    mended = {student: mended_talk(drawn, student) for student in drawn.rolls[broken]}
    await put_observables(store, drawn, mended, revision=2)
    await score(store, drawn)
    assert await decisions(store, drawn) == [(broken, "talk", True), (broken, "talk", False)]
    assert await sources_that_count(store, drawn, here) == set(Source)
    of_class = (await client.get(f"/api/v1/classes/{broken}/skills", headers=teacher)).json()
    assert of_class["set_aside"] == []
