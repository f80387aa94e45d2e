"""The disk of the database is full: nothing answered is lost, senders are told, and it goes on by itself."""

from __future__ import annotations

import pytest
from campaigns.disk import LOG, TABLES, CannotMount, run, small_disk


def mounts() -> str:
    """Why a small disk cannot be made here; empty when it can."""
    try:
        with small_disk():
            return ""
    except CannotMount as problem:
        return str(problem)


CANNOT = mounts()


@pytest.mark.skipif(bool(CANNOT), reason=f"a small disk cannot be made here: {CANNOT}")
@pytest.mark.parametrize("kind", [TABLES, LOG])
def test_on_a_full_disk_nothing_answered_is_lost_and_it_goes_on_when_there_is_room(kind: str) -> None:
    full = run(kind, 2)
    assert full.complaints() == []
    assert full.heard.taken
    assert full.panicked == (kind == LOG)
