"""What a server holds ends with it, after the events that came in are stored."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import text

from builders import Town, bearer, send, wire_batch, wire_event
from sightline.api.front import application
from sightline.settings import Settings
from sightline.store.database import Store

HELD = 2.5
"""Seconds: longer than the rest of the closing takes."""


async def nobody_writes(store: Store, held: asyncio.Event) -> None:
    async with store.work() as work:
        await work.execute(text("lock table events in share mode"))
        held.set()
        await asyncio.sleep(HELD)


async def test_events_whose_request_was_cut_off_at_the_end_are_stored_before_the_connections_go(
    database_url: str, settings: Settings, store: Store, client: httpx.AsyncClient, town: Town
) -> None:
    own = Store(database_url)
    pool: Any = own.engine.pool
    ending = application(own, settings)
    batches = [wire_batch([wire_event(town.here.students[0], uuid4())]) for _ in range(2)]
    transport = httpx.ASGITransport(ending)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://sightline.test") as sending,
        ending.router.lifespan_context(ending),
    ):
        assert (await send(sending, town.here.key, batches[0])).status_code == 201
        assert pool.checkedin() > 0
        held = asyncio.Event()
        written = asyncio.create_task(nobody_writes(store, held))
        await held.wait()
        cut_off = asyncio.create_task(send(sending, town.here.key, batches[1]))
        await asyncio.sleep(0.3)
        assert not cut_off.done(), "the events are being written"
        cut_off.cancel()
    await written
    assert pool.checkedin() == pool.checkedout() == 0
    assert own._writer is not None  # noqa: SLF001 - that it is closed is the promise
    assert own._writer.closed  # noqa: SLF001
    found = await client.get(f"/api/v1/telemetry/status/{batches[1]['batch_id']}", headers=bearer(town.here.key))
    assert found.json()["counts"]["created"] == 1
