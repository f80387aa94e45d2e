"""R7, small: a worker killed in the middle of its jobs leaves each effect once; the harness sees when it does not.

The full campaign is `make campaign-jobs`: 100 kills.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from campaigns.jobs import JobKills, nothing_revived, small
from campaigns.runs import hosted, run
from campaigns.stack_under_test import Database
from sqlalchemy import text

from sightline.pipeline.jobs import ask_again
from sightline.store.database import Store
from sightline.store.jobs import defer

pytestmark = pytest.mark.timeout(600)  # seconds on a quiet machine, minutes on one that is busy


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with hosted() as host:
        yield host


def test_a_worker_killed_mid_work_leaves_each_effect_exactly_once(database: Database) -> None:
    orders = small(seed=30)
    outcome = run(orders, JobKills(orders), database)
    assert outcome.verdict.broken() == [], outcome.verdict.complaints[:5]
    assert sum(outcome.kills.values()) == orders.kills
    assert sum(n for kind, n in outcome.kills.items() if kind.startswith("during")) >= orders.kills / 3


def test_the_harness_notices_when_lost_jobs_are_never_asked_for_again(database: Database) -> None:
    outcome = nothing_revived(31, database)
    assert outcome.verdict.restless > 0
    assert outcome.verdict.stalled == ""


async def test_a_tidy_lost_with_its_worker_does_not_lie_in_doing_for_ever(store: Store) -> None:
    """It would count as work for ever, and whoever waits for the worker to finish would wait for ever."""
    async with store.work() as work:
        await defer(work, "tidy", {"timestamp": "0"}, once="tidy")
        await work.execute(
            text(
                "with dead as (insert into procrastinate_workers values (default, now() - interval '1 hour') "
                "returning id) update procrastinate_jobs set status = 'doing', worker_id = dead.id from dead "
                "where queueing_lock = 'tidy'"
            )
        )
    async with store.work() as work:
        await ask_again(work)
    async with store.work() as work:
        left = await work.execute(
            text("delete from procrastinate_jobs where queueing_lock = 'tidy' returning status::text")
        )
    assert list(left.scalars()) == ["todo"]
