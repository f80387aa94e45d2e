"""The group commit on a real database: what holds one request up, or spoils it, costs no other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import delete, func, select

from builders import Town, wire_batch, wire_event
from sightline.errors import Busy
from sightline.ingest.events import read_batch
from sightline.pipeline.gathering import MAX_WAITING, Gatherer
from sightline.pipeline.receiving import Arrival, batch_arrival
from sightline.pipeline.roll import FRESH, Roll
from sightline.pipeline.senders import Sender
from sightline.store.database import Store
from sightline.store.event_rows import EventRow
from sightline.store.schema import events, students
from sightline.store.telemetry import hold_sittings


def arrived(town: Town, student: UUID, session: UUID, n: int = 1) -> Arrival:
    body = msgspec.json.encode(wire_batch([wire_event(student, session) for _ in range(n)]))
    sender = Sender(town.here.school_id, uuid4())
    return batch_arrival(sender, read_batch(body), received_at=datetime.now(UTC), verbose=False)


async def stored(store: Store, session: UUID) -> int:
    async with store.work() as work:
        found = await work.execute(select(func.count()).select_from(events).where(events.c.session_id == session))
        return int(found.scalar_one())


async def test_who_waits_for_a_session_that_is_being_closed_holds_up_no_other(store: Store, town: Town) -> None:
    gatherer, closing, other = Gatherer(store), uuid4(), uuid4()
    mine, second = town.here.students[:2]
    await gatherer.submit(arrived(town, mine, closing))
    async with store.work() as work:
        await hold_sittings(work, town.here.school_id, [closing], alone=True)
        waiting = asyncio.create_task(gatherer.submit(arrived(town, mine, closing)))
        await asyncio.sleep(0)
        passing = await gatherer.submit(arrived(town, second, other))
        assert passing.counts["created"] == 1
        assert not waiting.done()
    assert (await waiting).counts["created"] == 1
    assert await stored(store, closing) == 2
    await gatherer.close()


async def test_a_row_that_the_database_refuses_is_rejected_alone(store: Store, town: Town) -> None:
    gatherer, session, other = Gatherer(store), uuid4(), uuid4()
    whole = arrived(town, town.here.students[0], session, 4)
    rows = [item for item in whole.items if isinstance(item, EventRow)]
    broken = msgspec.structs.replace(rows[1], packed=rows[1].packed.replace(b"{}", b"{]"))
    spoilt, clean = await asyncio.gather(
        gatherer.submit(replace(whole, items=[rows[0], broken, *rows[2:]])),
        gatherer.submit(arrived(town, town.here.students[1], other, 3)),
    )
    assert (spoilt.counts["created"], spoilt.counts["rejected"]) == (3, 1)
    assert [(r.event_id, r.code) for r in spoilt.results] == [(str(rows[1].event_id), "unstorable")]
    assert clean.counts["created"] == 3
    assert (await stored(store, session), await stored(store, other)) == (3, 3)


async def test_who_comes_when_the_queue_is_full_is_told_at_once_and_loses_nothing(
    store: Store, town: Town
) -> None:
    gatherer = Gatherer(store)
    sessions = [uuid4() for _ in range(MAX_WAITING // 1_000 + 4)]
    asked = [gatherer.submit(arrived(town, town.here.students[0], session, 1_000)) for session in sessions]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert refused
    assert {type(answer) for answer in refused} == {Busy}
    for session, answer in zip(sessions, answers, strict=True):
        if not isinstance(answer, BaseException):
            assert answer.counts["created"] == await stored(store, session) == 1_000
    await gatherer.close()


async def test_the_same_events_in_many_requests_at_once_are_created_once(store: Store, town: Town) -> None:
    gatherers = [Gatherer(store), Gatherer(Store(store.url))]  # as of two processes
    session = uuid4()
    one = arrived(town, town.here.students[0], session, 50)
    turned = replace(one, items=list(reversed(one.items)))
    answers = await asyncio.gather(*(g.submit(a) for _ in range(6) for g in gatherers for a in (one, turned)))
    assert sum(answer.counts["created"] for answer in answers) == 50
    assert {answer.received_count for answer in answers} == {50}
    assert await stored(store, session) == 50
    await gatherers[1]._store.close()  # noqa: SLF001 - it was made here


def test_a_yes_is_believed_for_five_seconds_and_a_no_never() -> None:
    clock = [100.0]
    roll, student, session = Roll(lambda: clock[0]), (uuid4(), uuid4()), (uuid4(), uuid4())
    assert roll.unsure_students([student]) == [student]
    roll.saw_students([student], asked=100.0)
    roll.saw_sessions({session: student[1]}, asked=100.0)
    clock[0] += FRESH - 0.001
    assert roll.unsure_students([student]) == []
    assert roll.owner(session) == student[1]
    clock[0] += 0.001
    assert roll.unsure_students([student]) == [student]
    assert roll.owner(session) is None


async def test_a_student_who_is_gone_is_refused_within_five_seconds(store: Store, town: Town) -> None:
    gatherer, leaver = Gatherer(store), uuid4()
    clock = [0.0]
    gatherer._roll = Roll(lambda: clock[0])  # noqa: SLF001 - its clock only: nobody waits five seconds here
    async with store.work() as work:
        await work.execute(
            students.insert().values(school_id=town.here.school_id, student_id=leaver, display_name="Leaver")
        )
    session = uuid4()
    assert (await gatherer.submit(arrived(town, leaver, session))).counts["created"] == 1
    async with store.work() as work:
        await work.execute(delete(events).where(events.c.student_id == leaver))
        await work.exec_driver_sql("delete from sessions where student_id = %s", (leaver,))
        await work.execute(delete(students).where(students.c.student_id == leaver))
    clock[0] += FRESH
    late = await gatherer.submit(arrived(town, leaver, uuid4()))
    assert [r.code for r in late.results] == ["unknown_student"]
