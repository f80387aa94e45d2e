"""The database goes away, by stopping or by hanging, and who asks is told so within a second."""

from __future__ import annotations

import asyncio
import time

import pytest
from campaigns.outage import SMALL, WITHIN, control, run
from campaigns.served import Served, serving
from sqlalchemy import text

from sightline.errors import DatabaseUnavailable
from sightline.store.database import Store


def test_while_the_database_is_away_each_request_hears_so_within_a_second_and_nothing_is_lost() -> None:
    for outage in run(SMALL):
        assert outage.complaints() == [], outage.kind
        assert outage.heard.taken


def test_the_harness_notices_when_nobody_watches_whether_the_server_answers() -> None:
    assert any("took over" in complaint for complaint in control())


async def test_a_slow_statement_is_let_finish_where_the_server_answers_others(store: Store) -> None:
    async with store.work() as work:
        slept = await work.execute(text("select 'done' from pg_sleep(1.5)"))
        assert slept.scalar_one() == "done"


def test_work_that_waits_on_a_server_that_freezes_ends_within_a_second_and_works_again() -> None:
    with serving() as served:
        asyncio.run(_frozen_in_the_middle(served))


async def _frozen_in_the_middle(served: Served) -> None:
    store = Store(served.database_url)
    try:
        await store.ready()
        assert await _seconds_in_a_frozen_statement(store, served) < WITHIN
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            await store.ready()
        assert time.monotonic() - began < 0.1
        served.thaw()
        while store.pulse.hangs:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.05)
        await store.ready()
    finally:
        await store.close()


async def _seconds_in_a_frozen_statement(store: Store, served: Served) -> float:
    began = 0.0
    try:
        async with store.work() as work:
            await work.execute(text("select 1"))
            served.freeze()
            began = time.monotonic()
            await work.execute(text("select 2"))
    except DatabaseUnavailable:
        return time.monotonic() - began
    raise AssertionError("a frozen server answered")
