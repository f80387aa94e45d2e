"""What a server holds ends with it, after the events that came in are stored."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx
from sqlalchemy import text

from builders import Town, bearer, send, wire_batch, wire_event
from sightline.api.front import application
from sightline.settings import Settings
from sightline.store.database import Store

HELD = 2.5
"""Seconds: longer than the rest of the closing takes."""


NAME = "server-that-ends"


async def connections(store: Store) -> int:
    """How many connections the server that ends has."""
    async with store.work() as work:
        asked = text("select count(*) from pg_stat_activity where application_name = :name")
        return int((await work.execute(asked, {"name": NAME})).scalar_one())


async def nobody_writes(store: Store, held: asyncio.Event) -> None:
    async with store.work() as work:
        await work.execute(text("lock table events in share mode"))
        held.set()
        await asyncio.sleep(HELD)


async def test_events_whose_request_was_cut_off_at_the_end_are_stored_before_the_connections_go(
    database_url: str, settings: Settings, store: Store, client: httpx.AsyncClient, town: Town
) -> None:
    own = Store(f"{database_url}?application_name={NAME}")
    ending = application(own, settings)
    batches = [wire_batch([wire_event(town.here.students[0], uuid4())]) for _ in range(2)]
    transport = httpx.ASGITransport(ending)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://sightline.test") as sending,
        ending.router.lifespan_context(ending),
    ):
        assert (await send(sending, town.here.key, batches[0])).status_code == 201
        assert await connections(store) > 1
        held = asyncio.Event()
        written = asyncio.create_task(nobody_writes(store, held))
        await held.wait()
        cut_off = asyncio.create_task(send(sending, town.here.key, batches[1]))
        await asyncio.sleep(0.3)
        assert not cut_off.done(), "the events are being written"
        cut_off.cancel()
    await written
    assert await connections(store) == 0
    found = await client.get(f"/api/v1/telemetry/status/{batches[1]['batch_id']}", headers=bearer(town.here.key))
    assert found.json()["counts"]["created"] == 1
