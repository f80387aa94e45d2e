"""Jobs on the real queue: nothing that was asked for is lost with a worker, and nothing is scored twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text, update

from builders import Town, bearer, send, wire_batch, wire_event
from sightline.features.catalog import CATALOG_VERSION
from sightline.pipeline import jobs
from sightline.pipeline.scoring import rescore_school
from sightline.store.assessments import newest_assessments
from sightline.store.database import Store
from sightline.store.evidence import current_observables, schools_with_outdated_sittings
from sightline.store.jobs import QUEUE
from sightline.store.schema import events, extractions, observables

pytestmark = pytest.mark.asyncio


async def work_off(store: Store) -> None:
    """Run the real worker until nothing is due."""
    async with store.work() as work:
        await work.execute(text("update procrastinate_jobs set scheduled_at = null where status = 'todo'"))
    app = jobs.worker(store)
    async with app.open_async():
        await app.run_worker_async(queues=[QUEUE], wait=False, delete_jobs="successful", listen_notify=False)


async def statuses(store: Store, once: str) -> list[str]:
    async with store.work() as work:
        found = await work.execute(
            text("select status::text from procrastinate_jobs where queueing_lock = :once order by id"),
            {"once": once},
        )
        return list(found.scalars())


async def play(client: httpx.AsyncClient, town: Town, *, close: bool = True) -> UUID:
    session = uuid4()
    steps = [("failure", {"task": "a"}), ("retry", {"task": "a"})]
    sent = [wire_event(town.here.students[0], session, t, data=d, sequence=i) for i, (t, d) in enumerate(steps)]
    await send(client, town.here.key, wire_batch(sent))
    if close:
        await client.post(f"/api/v1/telemetry/session/{session}/close", headers=bearer(town.here.key))
    return session


async def assessed(store: Store, town: Town) -> bool:
    async with store.work() as work:
        return bool(await newest_assessments(work, town.here.school_id, [town.here.students[0]]))


async def test_many_changes_ask_for_one_scoring_and_the_worker_does_it(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    for _ in range(3):
        await play(client, town)
    assert await statuses(store, f"rescore/{town.here.school_id}") == ["todo"]
    await work_off(store)
    assert await statuses(store, f"rescore/{town.here.school_id}") == []
    assert await assessed(store, town)


@pytest.mark.parametrize("end", ["its worker was killed", "it failed"])
async def test_a_lost_job_is_asked_for_again(
    client: httpx.AsyncClient, town: Town, store: Store, end: str
) -> None:
    await play(client, town)
    once = f"rescore/{town.here.school_id}"
    async with store.work() as work:
        dead = await work.execute(
            text("insert into procrastinate_workers values (default, now() - interval '1 hour') returning id")
        )
        status = "doing" if end == "its worker was killed" else "failed"
        await work.execute(
            text(
                "update procrastinate_jobs set status = cast(:s as procrastinate_job_status), worker_id = :w "
                "where queueing_lock = :o"
            ),
            {"s": status, "w": dead.scalar_one(), "o": once},
        )
    await play(client, town)
    assert sorted(await statuses(store, once)) == sorted([status, "todo"]), "a lost job holds up no later one"
    async with store.work() as work:
        await jobs.ask_again(work)
    assert await statuses(store, once) == ["todo"]
    await work_off(store)
    assert await assessed(store, town)


async def test_a_waiting_job_is_held_until_the_change_behind_it_is_committed(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    await play(client, town)
    async with store.work() as work:
        await jobs.ask_rescore(work, town.here.school_id, datetime.now(UTC))
        async with store.work() as other:
            taken = await other.execute(
                text("select id from procrastinate_jobs where queueing_lock = :o for update skip locked"),
                {"o": f"rescore/{town.here.school_id}"},
            )
            assert taken.all() == [], "no worker can take it before we are done"


async def test_late_events_are_extracted_by_a_job(client: httpx.AsyncClient, town: Town, store: Store) -> None:
    session = await play(client, town)
    late = [wire_event(town.here.students[0], session, "failure", data={"task": "a"}, sequence=9)]
    await send(client, town.here.key, wire_batch(late))
    await work_off(store)
    async with store.work() as work:
        found = await current_observables(work, town.here.school_id, CATALOG_VERSION)
    (retried,) = [o for o in found[town.here.students[0]] if o.indicator == "retry_after_failure"]
    assert (retried.measured.counted, retried.measured.opportunities) == (1, 2)


async def test_an_idle_session_closes_by_itself_and_a_lively_one_does_not(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    idle, lively = await play(client, town, close=False), await play(client, town, close=False)
    async with store.work() as work:
        await work.execute(
            update(events)
            .where(events.c.session_id == idle)
            .values(received_at=datetime.now(UTC) - jobs.IDLE - timedelta(minutes=1))
        )
        for session in (idle, lively):
            await jobs.ask_close(work, town.here.school_id, session)
    await work_off(store)
    for session, closed in ((idle, True), (lively, False)):
        answer = await client.get(f"/api/v1/telemetry/session/{session}/features", headers=bearer(town.here.key))
        assert (answer.json()["closed_at"] is not None) == closed


async def test_a_new_catalog_sees_everything_again_and_then_rests(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    await play(client, town)
    talk = await a_talk(client, town)
    await unmap(client, town, talk)
    async with store.work() as work:  # as if an older release had extracted it
        for table in (observables, extractions):
            await work.execute(text(f"alter table {table.name} disable trigger all"))
            await work.execute(
                update(table).where(table.c.school_id == town.here.school_id).values(catalog_version="2020.1")
            )
            await work.execute(text(f"alter table {table.name} enable trigger all"))
        assert await current_observables(work, town.here.school_id, CATALOG_VERSION) == {}
        assert town.here.school_id in await schools_with_outdated_sittings(work, CATALOG_VERSION)
    async with store.work() as work:
        await jobs.ask_again(work)
    await work_off(store)
    async with store.work() as work:
        found = await current_observables(work, town.here.school_id, CATALOG_VERSION)
        assert {o.source for o in found[town.here.students[0]]} == {"game"}, "talk that was taken back stays away"
        assert {o.source for o in found[town.here.students[1]]} == {"talk"}
        assert town.here.school_id not in await schools_with_outdated_sittings(work, CATALOG_VERSION)


async def a_talk(client: httpx.AsyncClient, town: Town) -> str:
    """A talk of the first two students, sent and stored; its id."""
    rows = [f"{i},{i},{'AB'[i % 2]},shall we cross here or there {i}?" for i in range(14)]
    talk = {
        "transcript_id": str(uuid4()),
        "format": "csv",
        "content": "\n".join(["start,end,speaker,text", *rows]),
        "recorded_at": "2026-03-02T09:00:00Z",
        "speakers": {"A": str(town.here.students[0]), "B": str(town.here.students[1])},
    }
    made = await client.post("/api/v1/transcripts", json=talk, headers=bearer(town.here.key))
    assert made.status_code == 201
    return str(talk["transcript_id"])


async def unmap(client: httpx.AsyncClient, town: Town, talk: str) -> None:
    """Say that the first student was not the one who spoke."""
    answer = await client.put(
        f"/api/v1/transcripts/{talk}/speakers",
        json={"speakers": {"A": None}},
        headers=bearer(town.here.administrator_token),
    )
    assert answer.status_code == 200


async def test_evidence_taken_back_leaves_the_assessment(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    talk = await a_talk(client, town)
    await work_off(store)
    assert await assessed(store, town)
    await unmap(client, town, talk)
    async with store.work() as work:
        await rescore_school(work, town.here.school_id, now=datetime.now(UTC))
        newest = await newest_assessments(work, town.here.school_id, [town.here.students[0]])
    assert all(result.contributions == () for result in newest[town.here.students[0]].results)


async def test_a_sitting_sent_again_under_other_ids_counts_once(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    """A client that makes new ids for a retry must not make a child look more certain than one sitting allows."""
    for _ in range(4):
        await play(client, town)
    async with store.work() as work:
        found = await current_observables(work, town.here.school_id, CATALOG_VERSION)
    observed = found[town.here.students[0]]
    assert len({o.sitting_id for o in observed}) == 1
    assert len(observed) == len({o.indicator for o in observed})


async def test_odd_data_never_makes_a_session_unclosable(client: httpx.AsyncClient, town: Town) -> None:
    session = uuid4()
    odd = [
        ("initial_reaction", {"reaction": "x"}),
        ("conflict_encountered", {}),
        ("conflict_resolved", {"outcome": None}),
        ("mistake", {"what": None, "state": {"a": [1]}}),
        ("task_complete", {"task": "", "least": 1e-320, "used": 1e308}),
        ("task_complete", {"least": 0, "used": int("9" * 300)}),
    ]
    sent = [wire_event(town.here.students[0], session, t, data=d, sequence=i) for i, (t, d) in enumerate(odd)]
    answer = await send(client, town.here.key, wire_batch(sent))
    assert answer.json()["counts"]["created"] == 6
    closed = await client.post(f"/api/v1/telemetry/session/{session}/close", headers=bearer(town.here.key))
    assert closed.status_code == 200
