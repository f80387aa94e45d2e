"""One student right after a session, and the whole school after it: the same numbers, or the school's win."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select, text

from builders import Town, bearer, send, wire_batch, wire_event
from measured_school import NOW, Drawn, drawn_school, literature_as_fitted, put, put_observables
from sightline.domain.estimates import Assessment
from sightline.domain.observables import Observable
from sightline.domain.skills import SKILLS, Source
from sightline.measurement.card import read_card
from sightline.pipeline import jobs, scoring, updating
from sightline.store import cards
from sightline.store.assessments import newest_assessments
from sightline.store.database import Store
from sightline.store.jobs import QUEUE
from sightline.store.schema import assessments

pytestmark = pytest.mark.asyncio


async def scored(store: Store, school_id: UUID) -> tuple[scoring.Scored, updating.Remembered]:
    """The job's own steps; after it, no such job waits."""
    async with store.work() as work:
        await work.execute(
            text("delete from procrastinate_jobs where queueing_lock = :o"), {"o": jobs.rescore_lock(school_id)}
        )
        done = await scoring.score_school(work, school_id, now=NOW)
        return done, await updating.remember(work, school_id, done)


async def plays(store: Store, drawn: Drawn, student: UUID) -> None:
    """One more session of games on the last day of evidence, as good as the student's first one was.

    As closing it would, this asks for the scoring of the school.
    """
    async with store.work() as work:
        await jobs.ask_rescore(work, drawn.school_id, datetime.now(UTC) + timedelta(hours=1))
    seen, everything = drawn.observables[student], drawn.observables.values()
    at = max(o.at for of in everything for o in of) + timedelta(seconds=1)
    first = next(o.sitting_id for o in seen if o.source is Source.GAME)
    sitting = uuid4()
    again = tuple(
        replace(o, sitting_id=sitting, observable_id=uuid5(sitting, o.indicator), at=at)
        for o in seen
        if o.sitting_id == first
    )
    await put_observables(store, drawn, {student: again})


def update(store: Store, drawn: Drawn, student: UUID, school: updating.Remembered) -> bool:
    with store.for_jobs.work() as driver:
        return updating.update_student(driver, drawn.school_id, student, school, now=NOW)


async def newest(store: Store, drawn: Drawn, student: UUID) -> Assessment:
    async with store.work() as work:
        return (await newest_assessments(work, drawn.school_id, [student]))[student]


async def rows(store: Store, drawn: Drawn, student: UUID) -> int:
    async with store.work() as work:
        found = await work.execute(
            select(func.count())
            .select_from(assessments)
            .where(assessments.c.school_id == drawn.school_id, assessments.c.student_id == student)
        )
        return int(found.scalar_one())


async def use(store: Store, drawn: Drawn, content: bytes) -> str:
    card = read_card(content)
    async with store.work() as work:
        await cards.use_card(work, drawn.school_id, version=card.version, content=content, at=NOW)
    return card.version


def apart(one: Assessment, other: Assessment) -> float:
    """The largest difference of the posterior means of seven skills, in SD, whether or not they may be shown."""
    return float(np.max(np.abs(np.subtract(means(one), means(other)))))


def means(assessment: Assessment) -> list[float]:
    return [
        result.prior_mean
        + sum(c.amount for c in result.contributions)
        + sum(amount for _, amount in result.rater_adjustments)
        for result in assessment.results
    ]


async def test_the_update_of_a_student_is_what_scoring_the_school_finds(store: Store) -> None:
    """Norms are the card's, and nobody rates: nothing is shared between students."""
    drawn = drawn_school(1, classes=1, size=12, sittings=(4, 3, 0))
    await put(store, drawn)
    await use(store, drawn, literature_as_fitted(drawn))
    _, school = await scored(store, drawn.school_id)
    student = drawn.students[0]
    before = await newest(store, drawn, student)
    await plays(store, drawn, student)
    assert update(store, drawn, student, school)
    after = await newest(store, drawn, student)
    assert len(after.results[0].contributions) > len(before.results[0].contributions)
    assert apart(after, before) > 1e-3
    assert not update(store, drawn, student, school), "the same again is not kept twice"
    done, _ = await scored(store, drawn.school_id)
    assert done.changed == 0, "byte for byte what the update found"
    assert await rows(store, drawn, student) == 2


async def test_with_heavy_tails_the_update_settles_near_what_the_school_settles_at(store: Store) -> None:
    """How often weights alternate is the school's, so only what they settle at is alike."""
    drawn = drawn_school(9, classes=1, size=12, sittings=(4, 3, 0))
    await put(store, drawn)
    await use(store, drawn, literature_as_fitted(drawn, nu=4.0))
    _, school = await scored(store, drawn.school_id)
    student = drawn.students[0]
    await plays(store, drawn, student)
    assert update(store, drawn, student, school)
    near = await newest(store, drawn, student)
    await scored(store, drawn.school_id)
    assert apart(near, await newest(store, drawn, student)) < 0.01


async def test_where_raters_are_shared_the_update_is_near_and_the_school_wins(store: Store) -> None:
    drawn = drawn_school(2, classes=2, size=12)
    await put(store, drawn)
    await use(store, drawn, literature_as_fitted(drawn))
    _, school = await scored(store, drawn.school_id)
    student = drawn.students[0]
    await plays(store, drawn, student)
    assert update(store, drawn, student, school)
    near = await newest(store, drawn, student)
    done, _ = await scored(store, drawn.school_id)
    whole = await newest(store, drawn, student)
    assert done.changed > 0, "severities moved a little with one student's session"
    assert apart(near, whole) < 0.01
    assert len(near.results[0].contributions) == len(whole.results[0].contributions)


async def test_on_norms_of_the_school_itself_the_update_keeps_those_of_the_last_scoring(store: Store) -> None:
    drawn = drawn_school(3, classes=1, size=12, sittings=(4, 3, 0))
    await put(store, drawn)
    _, school = await scored(store, drawn.school_id)
    student = drawn.students[0]
    norms = (await newest(store, drawn, student)).norms_version
    await plays(store, drawn, student)
    assert update(store, drawn, student, school)
    near = await newest(store, drawn, student)
    assert near.norms_version == norms
    await scored(store, drawn.school_id)
    whole = await newest(store, drawn, student)
    assert whole.norms_version != norms, "the session is in the norms now"
    assert apart(near, whole) < 0.1


async def test_a_worker_that_remembers_another_card_leaves_the_student_to_the_whole_scoring(
    store: Store,
) -> None:
    drawn = drawn_school(4, classes=1, size=12, sittings=(4, 3, 0))
    await put(store, drawn)
    _, school = await scored(store, drawn.school_id)
    student = drawn.students[0]
    version = await use(store, drawn, literature_as_fitted(drawn))
    await plays(store, drawn, student)
    assert not update(store, drawn, student, school)
    assert await rows(store, drawn, student) == 1
    await scored(store, drawn.school_id)
    assert (await newest(store, drawn, student)).card_version == version


async def test_an_update_that_comes_after_the_whole_scoring_says_nothing(store: Store) -> None:
    """It would be the last word then, with severities that may be old."""
    drawn = drawn_school(8, classes=1, size=12, sittings=(4, 3, 0))
    await put(store, drawn)
    await use(store, drawn, literature_as_fitted(drawn))
    _, school = await scored(store, drawn.school_id)
    student = drawn.students[0]
    await plays(store, drawn, student)
    async with store.work() as work:
        await work.execute(
            text("delete from procrastinate_jobs where queueing_lock = :o"),
            {"o": jobs.rescore_lock(drawn.school_id)},
        )
    assert not update(store, drawn, student, school)
    assert await rows(store, drawn, student) == 1


async def test_evidence_of_a_new_day_moves_the_window_of_the_student(store: Store) -> None:
    drawn = drawn_school(5, classes=1, size=12, sittings=(4, 3, 0))
    await put(store, drawn)
    await use(store, drawn, literature_as_fitted(drawn))
    _, school = await scored(store, drawn.school_id)
    student = drawn.students[0]
    later = tuple(moved(o) for o in drawn.observables[student] if o.source is Source.GAME)
    async with store.work() as work:
        await jobs.ask_rescore(work, drawn.school_id, datetime.now(UTC) + timedelta(hours=1))
    await put_observables(store, drawn, {student: later})
    assert update(store, drawn, student, school)
    near = await newest(store, drawn, student)
    assert near.as_of == scoring.end_of_day(NOW + timedelta(days=2)) > school.frame.as_of
    done, _ = await scored(store, drawn.school_id)
    assert done.frame.as_of == near.as_of
    assert await newest(store, drawn, student) == near, "nothing is shared, so the student stays as updated"


def moved(o: Observable) -> Observable:
    sitting = uuid5(o.sitting_id, "later")
    return replace(o, sitting_id=sitting, observable_id=uuid5(sitting, o.indicator), at=NOW + timedelta(days=2))


async def due_now(app: object) -> None:
    """Let the worker do what is due; scoring the school is not yet."""
    await app.run_worker_async(  # type: ignore[attr-defined]
        queues=[QUEUE], wait=False, delete_jobs="successful", listen_notify=False
    )


async def test_the_worker_updates_a_student_before_the_school_has_settled(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    model = drawn_school(6, classes=1, size=12)
    here = town.here
    async with store.work() as work:
        await cards.use_card(
            work, here.school_id, version="fixed", content=literature_as_fitted(model), at=datetime.now(UTC)
        )
    app = jobs.worker(store)
    async with app.open_async():
        await played(client, town)
        async with store.work() as work:
            await work.execute(text("update procrastinate_jobs set scheduled_at = null where status = 'todo'"))
        await due_now(app)
        assert await contributions(store, town) == 1
        await played(client, town)
        await due_now(app)
        assert await contributions(store, town) == 2
        async with store.work() as work:
            waiting = await work.execute(
                text("select task_name from procrastinate_jobs where status = 'todo' and queueing_lock = :o"),
                {"o": f"rescore/{here.school_id}"},
            )
            assert list(waiting.scalars()) == ["rescore"], "the whole school follows"


async def played(client: httpx.AsyncClient, town: Town) -> None:
    session = uuid4()
    steps = [("failure", {"task": "a"}), ("retry", {"task": "a"})] * 3
    start = datetime.now(UTC) - timedelta(minutes=5)
    sent = [
        wire_event(
            town.here.students[0],
            session,
            kind,
            data=data,
            sequence=i,
            timestamp=(start + timedelta(seconds=10 * i)).isoformat(),
        )
        for i, (kind, data) in enumerate(steps)
    ]
    await send(client, town.here.key, wire_batch(sent))
    closed = await client.post(f"/api/v1/telemetry/session/{session}/close", headers=bearer(town.here.key))
    assert closed.status_code == 200


async def contributions(store: Store, town: Town) -> int:
    """Sessions in which the first student retried after a failure, as the newest assessment counts them."""
    student = town.here.students[0]
    async with store.work() as work:
        found = await newest_assessments(work, town.here.school_id, [student])
    seen = found[student].results[0].contributions
    return sum(c.indicator == "retry_after_failure" for c in seen)


async def changed_by(client: httpx.AsyncClient, town: Town, path: str) -> None:
    if path == "a session is closed":
        await played(client, town)
    elif path == "a transcript lands":
        said = [f"{3 * i},{3 * i + 2},{'AB'[i % 2]},shall we cross here or there {i}?" for i in range(14)]
        talk = {
            "transcript_id": str(uuid4()),
            "format": "csv",
            "content": "\n".join(["start,end,speaker,text", *said]),
            "recorded_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
            "speakers": {"A": str(town.here.students[0]), "B": str(town.here.students[1])},
        }
        made = await client.post("/api/v1/transcripts", json=talk, headers=bearer(town.here.key))
        assert made.status_code == 201
    else:
        now = datetime.now(UTC)
        cell = {
            "student_id": str(town.here.students[0]),
            "skill": SKILLS[0].value,
            "level": 3,
            "occasion": now.date().isoformat(),
            "rated_at": now.isoformat(),
        }
        saved = await client.put(
            "/api/v1/ratings", json={"ratings": [cell]}, headers=bearer(town.here.teacher_tokens[0])
        )
        assert saved.status_code == 200


@pytest.mark.parametrize("path", ["a session is closed", "a transcript lands", "a rating is saved"])
async def test_scores_follow_with_the_card_of_the_school_when(
    client: httpx.AsyncClient, town: Town, store: Store, path: str
) -> None:
    content = literature_as_fitted(drawn_school(7, classes=1, size=12))
    version = read_card(content).version
    async with store.work() as work:
        await cards.use_card(work, town.here.school_id, version=version, content=content, at=datetime.now(UTC))
    await changed_by(client, town, path)
    async with store.work() as work:
        await work.execute(text("update procrastinate_jobs set scheduled_at = null where status = 'todo'"))
    app = jobs.worker(store)
    async with app.open_async():
        await due_now(app)
    student = town.here.students[0]
    async with store.work() as work:
        found = (await newest_assessments(work, town.here.school_id, [student]))[student]
    assert found.card_version == version
    assert found.results[0].contributions, "what came is in the sum"
