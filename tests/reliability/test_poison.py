"""Poison: whatever stands in a batch, the good events of it are stored, and each bad one is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from campaigns.poison import CONTROLS, VERBOSE, control, run
from campaigns.served import Served, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import wire_event

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (*wire_event(uuid4(), uuid4()), "mission_id", "game_version", "sequence", "other")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        yield running


def test_every_good_event_is_stored_and_every_bad_one_answered_and_memory_stays() -> None:
    outcome = run(40)
    assert outcome.complaints == []
    assert outcome.batches == 40
    assert len(outcome.good) > 100


@pytest.mark.parametrize("name", CONTROLS)
def test_the_harness_notices_when(name: str) -> None:
    assert control(name)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(elements=st.lists(VALUES | st.dictionaries(st.sampled_from(FIELDS), VALUES), max_size=4), data=VALUES)
def test_whatever_json_stands_beside_it_a_good_event_is_stored(
    served: Served, elements: list[object], data: object
) -> None:
    student = served.roll.students[0]
    before, after = wire_event(student, uuid4()), wire_event(student, uuid4())
    almost = wire_event(student, uuid4(), data=data)
    sent = [before, *elements, almost, after]
    body = {"batch_id": str(uuid4()), "client_version": "x", "sent_at": before["timestamp"], "events": sent}
    answer = httpx.post(served.url + VERBOSE, content=json.dumps(body), headers=served.roll.sending)
    assert answer.status_code in {201, 207}, answer.text
    results = answer.json()["results"]
    assert len(results) == len(sent)
    assert (results[0]["status"], results[-1]["status"]) == ("created", "created")
    for result in results:
        assert result["status"] == "created" or (result["code"] and result["detail"])
