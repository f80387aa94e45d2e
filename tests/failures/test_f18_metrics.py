"""F18: numbers were counted for Prometheus and nobody could read them. Here they are scraped, and are right."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from builders import Town, bearer, send, wire_batch, wire_event
from sandbox_running import a_free_port
from sightline.api.front import application
from sightline.ingest.event_types import KNOWN_TYPES
from sightline.settings import DEFAULT_LIMITS, LimitKind, Settings
from sightline.store.database import Store

PROMISED = {
    "telemetry_events_processed_total": {"event_type", "status"},
    "telemetry_event_processing_seconds_bucket": {"le"},
    "telemetry_batch_size_bucket": {"le"},
    "telemetry_duplicates_total": set(),
    "telemetry_group_commit_events_bucket": {"le"},
    "telemetry_group_commit_seconds_bucket": {"le"},
    "telemetry_group_wait_seconds_bucket": {"le"},
    "telemetry_queue_events": set(),
    "telemetry_rejects_total": {"code"},
    "telemetry_turned_away_total": {"reason"},
    "sightline_jobs_waiting": {"task"},
    "sightline_job_age_seconds": {"task"},
}
"""Names of samples and of their labels: what dashboards and alerts are written with."""

Series = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Scrape:
    """One answer of /metrics: its text, and the value of each series."""

    text: str
    series: Counter[Series]

    def value(self, name: str, **labels: str) -> float:
        """Zero for a series that is not there yet, as Prometheus counts it."""
        return float(self.series[name, frozenset(labels.items())])


async def scrape(client: httpx.AsyncClient) -> Scrape:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: Counter[Series] = Counter()
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, family.name
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value  # type: ignore[assignment]
    return Scrape(answer.text, found)


def visitor(store: Store, settings: Settings, *, address: str = "127.0.0.1") -> httpx.AsyncClient:
    """Somebody who asks from an address."""
    transport = httpx.ASGITransport(application(store, settings), client=(address, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://sightline.test")


async def one_of_each_fate(client: httpx.AsyncClient, town: Town) -> None:
    """A batch in which two are created, one is there already, one has other content, and three are refused."""
    student, session = town.here.students[0], uuid4()
    first = wire_event(student, session, "task_start", data={"task": "a"})
    made_up = wire_event(student, session, "juggled_with_five_balls")
    answer = await send(
        client,
        town.here.key,
        wire_batch(
            [
                first,
                first,
                first | {"data": {"task": "b"}},
                made_up,
                wire_event(uuid4(), uuid4()),
                wire_event(student, session, timestamp="1999-01-01T00:00:00+00:00"),
                wire_event(student, session, data={"email": "x"}),
            ]
        ),
    )
    assert answer.json()["counts"] == {"created": 2, "duplicate": 1, "conflict": 1, "rejected": 3}


async def a_job(client: httpx.AsyncClient, town: Town) -> None:
    """An event that comes after its session was closed asks for a job."""
    session, key = uuid4(), town.here.key
    event = wire_event(town.here.students[1], session)
    await send(client, key, wire_batch([event]))
    await client.post(f"/api/v1/telemetry/session/{session}/close", headers=bearer(key))
    await send(client, key, wire_batch([event | {"event_id": str(uuid4())}]))


async def turned_away(store: Store, settings: Settings, town: Town) -> None:
    """One request over a limit."""
    few = replace(settings, limits={**DEFAULT_LIMITS, LimitKind.SERVER_BATCHES: 1})
    async with visitor(store, few) as client:
        statuses = [(await send(client, town.there.key, wire_batch([]))).status_code for _ in range(2)]
    assert statuses[1] == 429


async def test_f18_what_is_promised_can_be_scraped_under_its_name_and_labels(
    client: httpx.AsyncClient, store: Store, settings: Settings, town: Town
) -> None:
    await one_of_each_fate(client, town)
    await a_job(client, town)
    await turned_away(store, settings, town)
    found: dict[str, set[str]] = {}
    for name, labels in (await scrape(client)).series:
        found.setdefault(name, {label for label, _ in labels})
    assert {name: found.get(name) for name in PROMISED} == PROMISED


async def test_f18_counts_grow_by_what_was_sent(client: httpx.AsyncClient, town: Town) -> None:
    before = await scrape(client)
    await one_of_each_fate(client, town)
    after = await scrape(client)

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    events = "telemetry_events_processed_total"
    assert grown(events, event_type="task_start", status="created") == 1
    assert grown(events, event_type="task_start", status="duplicate") == 1
    assert grown(events, event_type="task_start", status="conflict") == 1
    assert grown(events, event_type="choice_made", status="rejected") == 1, "its student is unknown"
    assert grown(events, event_type="other", status="rejected") == 2, "not read so far that its type is known"
    assert grown(events, event_type="other", status="created") == 1
    assert grown("telemetry_duplicates_total") == 1
    codes = ("unknown_student", "too_old", "personal_data", "same_id_other_content")
    assert {code: grown("telemetry_rejects_total", code=code) for code in codes} == dict.fromkeys(codes, 1)
    assert grown("telemetry_batch_size_count") == grown("telemetry_event_processing_seconds_count") == 1
    assert grown("telemetry_batch_size_sum") == 7
    assert grown("telemetry_group_commit_events_sum") == 7
    assert 0 < grown("telemetry_event_processing_seconds_sum") < 5
    waited = [grown(f"telemetry_group_{name}_seconds_count") for name in ("commit", "wait")]
    assert waited == [1, 1]
    assert after.value("telemetry_queue_events") == 0


async def test_f18_who_is_turned_away_is_counted_by_reason(
    client: httpx.AsyncClient, store: Store, settings: Settings, town: Town
) -> None:
    before = await scrape(client)
    await turned_away(store, settings, town)
    away = Store(f"postgresql://nobody@127.0.0.1:{a_free_port()}/nothing")
    async with visitor(away, settings) as without_database:
        assert (await send(without_database, town.here.key, wire_batch([]))).status_code == 503
    await away.close()
    after = await scrape(client)
    for reason in ("limit", "database"):
        name = "telemetry_turned_away_total"
        assert after.value(name, reason=reason) - before.value(name, reason=reason) == 1


async def test_f18_jobs_are_counted_with_the_age_of_the_oldest(client: httpx.AsyncClient, town: Town) -> None:
    before = await scrape(client)
    await a_job(client, town)
    after = await scrape(client)
    name = "sightline_jobs_waiting"
    assert after.value(name, task="extract") - before.value(name, task="extract") == 1
    assert 0 <= after.value("sightline_job_age_seconds", task="extract") < 600


async def test_f18_no_label_says_who_where_or_in_which_session(
    client: httpx.AsyncClient, store: Store, settings: Settings, town: Town
) -> None:
    student, session, canary = town.here.students[0], uuid4(), f"canary_{secrets.token_hex(4)}"
    batch = wire_batch([wire_event(student, session, canary, mission_id=canary)], client_version=canary)
    assert (await send(client, town.here.key, batch)).status_code == 201
    named = wire_batch([wire_event(uuid4(), uuid4(), canary), wire_event(student, session, data={"name": canary})])
    assert (await send(client, town.here.key, named)).status_code == 207
    await client.get(f"/api/v1/students/{student}/{canary}", headers=bearer(canary))
    await a_job(client, town)
    await turned_away(store, settings, town)
    found = await scrape(client)
    ids: list[UUID] = [*town.here.students, *town.here.classes, town.here.school_id, town.there.school_id, session]
    for told in (*ids, batch["batch_id"], canary, town.here.key, "Student 1", "Test school"):
        assert str(told) not in found.text
        assert str(told).replace("-", "") not in found.text
    allowed = {"event_type": KNOWN_TYPES | {"other"}, "status": {"created", "duplicate", "conflict", "rejected"}}
    for label, value in {pair for _, labels in found.series for pair in labels}:
        if label in allowed:
            assert value in allowed[label]
        elif label in {"code", "reason", "task"}:
            assert re.fullmatch("[a-z_]{2,40}", value), "a word of ours, and no number of anybody"
        else:
            assert label in {"le", "implementation", "major", "minor", "patchlevel", "version", "generation"}


async def test_f18_without_postgresql_the_numbers_still_come_and_none_of_jobs(settings: Settings) -> None:
    away = Store(f"postgresql://nobody@127.0.0.1:{a_free_port()}/nothing")
    async with visitor(away, settings) as client:
        found = await scrape(client)
    await away.close()
    assert "telemetry_queue_events" in found.text
    assert "sightline_job" not in found.text


@pytest.mark.parametrize("proxied", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_f18_without_a_token_only_this_machine_reads_the_numbers(
    store: Store, settings: Settings, proxied: str
) -> None:
    async with visitor(store, settings) as here, visitor(store, settings, address="192.0.2.7") as elsewhere:
        assert (await here.get("/metrics")).status_code == 200
        refused = [await elsewhere.get("/metrics"), await here.get("/metrics", headers={proxied: "127.0.0.1"})]
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "telemetry_" not in answer.text


async def test_f18_with_a_token_who_has_it_reads_the_numbers_from_anywhere(
    store: Store, settings: Settings
) -> None:
    token = secrets.token_hex(32)
    locked = replace(settings, metrics_token=token)
    async with visitor(store, locked, address="192.0.2.7") as elsewhere, visitor(store, locked) as here:
        assert (await elsewhere.get("/metrics", headers=bearer(token))).status_code == 200
        wrong = [bearer(token[:-1]), bearer(token + "0"), bearer(""), {}, {"Authorization": token}]
        for headers in wrong:
            for client in (elsewhere, here):
                assert (await client.get("/metrics", headers=headers)).status_code == 404
