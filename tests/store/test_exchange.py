"""The one exchange with PostgreSQL: it commits all, or leaves nothing behind and a connection that can be used."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from sqlalchemy import func, select, text

from builders import Place, Town, wire_batch, wire_event
from sightline.ingest.events import read_batch
from sightline.pipeline.receiving import Arrival, LongWay, batch_arrival, store_new
from sightline.pipeline.roll import Roll
from sightline.pipeline.senders import Sender
from sightline.store.database import Store
from sightline.store.exchange import PREPARE
from sightline.store.schema import batches, events
from sightline.store.telemetry import hold_sittings


def arrived(place: Place, session: UUID, *, event_id: UUID | None = None, n: int = 3) -> Arrival:
    sent = [wire_event(place.students[0], session) for _ in range(n)]
    if event_id is not None:
        sent[-1]["event_id"] = str(event_id)
    body = msgspec.json.encode(wire_batch(sent))
    return batch_arrival(
        Sender(place.school_id, uuid4()), read_batch(body), received_at=datetime.now(UTC), verbose=False
    )


async def rows_of(store: Store, place: Place) -> tuple[int, int]:
    """Events and batches of a school."""
    async with store.work() as work:
        found = [
            await work.execute(select(func.count()).select_from(t).where(t.c.school_id == place.school_id))
            for t in (events, batches)
        ]
    return int(found[0].scalar_one()), int(found[1].scalar_one())


async def test_what_is_new_is_committed_in_one_exchange(store: Store, town: Town) -> None:
    writer = store.writer(PREPARE)
    with writer.work() as driver:
        stored = store_new(driver, [arrived(town.here, uuid4()), arrived(town.here, uuid4())], Roll())
        assert driver.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert [s.answer.counts["created"] for s in stored.settled if s is not None] == [3, 3]
    assert await rows_of(store, town.here) == (6, 2)
    writer.close()


async def test_what_was_sent_before_leaves_nothing_behind_and_the_writer_goes_on(store: Store, town: Town) -> None:
    writer, again = store.writer(PREPARE), uuid4()
    with writer.work() as driver:
        store_new(driver, [arrived(town.here, uuid4(), event_id=again)], Roll())
    with pytest.raises(psycopg.errors.UniqueViolation), writer.work() as driver:
        store_new(driver, [arrived(town.here, uuid4()), arrived(town.here, uuid4(), event_id=again)], Roll())
    assert await rows_of(store, town.here) == (3, 1)
    with writer.work() as driver:
        store_new(driver, [arrived(town.here, uuid4())], Roll())
    assert await rows_of(store, town.here) == (6, 2)
    writer.close()


async def test_a_session_that_somebody_holds_is_left_to_the_long_way(store: Store, town: Town) -> None:
    writer, held = store.writer(PREPARE), uuid4()
    async with store.work() as work:
        await hold_sittings(work, town.here.school_id, [held], alone=True)
        with pytest.raises(LongWay), writer.work() as driver:
            store_new(driver, [arrived(town.here, held)], Roll())
    assert await rows_of(store, town.here) == (0, 0)
    with writer.work() as driver:
        store_new(driver, [arrived(town.here, held)], Roll())
    assert await rows_of(store, town.here) == (3, 1)
    writer.close()


async def test_a_connection_that_is_cut_in_the_middle_is_made_anew(store: Store, town: Town) -> None:
    writer = store.writer(PREPARE)
    with writer.work() as driver:
        store_new(driver, [arrived(town.here, uuid4())], Roll())
        process = driver.info.backend_pid
    async with store.work() as work:
        await work.execute(text("select pg_terminate_backend(:process)"), {"process": process})
    with pytest.raises(Exception, match="cannot be reached"), writer.work() as driver:
        store_new(driver, [arrived(town.here, uuid4())], Roll())
    with writer.work() as driver:
        store_new(driver, [arrived(town.here, uuid4())], Roll())
    assert await rows_of(store, town.here) == (6, 2)
    writer.close()
