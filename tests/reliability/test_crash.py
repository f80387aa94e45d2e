"""R1 and R2, small: nothing answered is lost or doubled under kills, and the harness sees it when something is.

20 kills of server and worker and 5 of PostgreSQL, which is what fits into a minute: a process takes two seconds of
processor time to start. `python -m campaigns.crash --small` makes 40 and 10, `make campaign-crash` 500 and 100.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from campaigns.crash import Kills, small
from campaigns.mutations import CONTROLS
from campaigns.runs import hosted, run
from campaigns.stack_under_test import Database

pytestmark = pytest.mark.timeout(600)  # seconds on a quiet machine, minutes on one that is busy


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """A server of these tests' own: it is killed."""
    with hosted() as host:
        yield host


def test_kills_of_server_worker_and_database_lose_and_double_nothing(database: Database) -> None:
    orders = small(seed=20, kills=20, database_kills=5)
    outcome = run(orders, Kills(orders), database)
    assert outcome.verdict.broken() == [], outcome.verdict.complaints[:5]
    assert sum(outcome.kills.values()) == orders.kills + orders.database_kills
    assert outcome.verdict.answered > 10 * sum(outcome.kills.values()), "there was traffic between the kills"
    assert outcome.verdict.resent > 0, "some requests went unanswered and were sent again"


@pytest.mark.parametrize("broken", CONTROLS)
def test_the_harness_notices_when(database: Database, broken: str) -> None:
    outcome = CONTROLS[broken](21, database)
    assert outcome.verdict.losses() != []
    assert outcome.verdict.stalled == "", "it is noticed by what was stored, not by a system that stands still"
