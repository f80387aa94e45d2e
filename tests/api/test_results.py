"""From records to results over the real API: three sources, one estimate, and every moment findable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from builders import Town, bearer, send, wire_batch, wire_event
from sightline.domain.skills import SKILLS
from sightline.features.catalog import CATALOG_VERSION
from sightline.pipeline.scoring import rescore_school
from sightline.store import people
from sightline.store.assessments import newest_assessments
from sightline.store.database import Store
from sightline.store.evidence import current_observables
from sightline.store.people import Student

pytestmark = pytest.mark.asyncio

NOW = datetime.now(UTC)


async def rescore(store: Store, school_id: UUID) -> int:
    async with store.work() as work:
        return await rescore_school(work, school_id, now=datetime.now(UTC))


async def test_with_no_evidence_every_skill_is_unscored_and_has_no_number(
    client: httpx.AsyncClient, town: Town
) -> None:
    student = town.here.students[0]
    for path in (f"/students/{student}", f"/classes/{town.here.classes[0]}/skills"):
        answer = await client.get(f"/api/v1{path}", headers=bearer(town.here.teacher_tokens[0]))
        rows = answer.json().get("students", [answer.json()])
        for row in rows:
            assert [s["skill"] for s in row["skills"]] == list(SKILLS)
            for skill in row["skills"]:
                assert skill["status"] == "unscored"
                assert skill["estimate"] is None
                assert skill["unscored"]["would_help"]
    for skill_name in SKILLS:
        answer = await client.get(
            f"/api/v1/students/{student}/skills/{skill_name}", headers=bearer(town.here.teacher_tokens[0])
        )
        body = answer.json()
        assert body["contributions"] is None
        assert body["prior_mean"] is None
        assert body["evidence"] == []


async def a_full_school(client: httpx.AsyncClient, town: Town, store: Store) -> list[UUID]:
    """Twelve students in class 1 with six weeks of play, talk and ratings sent over the API."""
    crowd = [*town.here.class_of(0), *(uuid4() for _ in range(9))]
    async with store.work() as work:
        await people.add_students(
            work,
            town.here.school_id,
            town.here.classes[0],
            [Student(s, f"Child {i}") for i, s in enumerate(crowd)],
        )
    for week in range(6):
        at = NOW - timedelta(weeks=week, hours=3)
        for i, student in enumerate(crowd):
            await play(client, town.here.key, student, at, good=(i + week) % 12)
        await group_talk(client, town, crowd, at)
        cells = [
            {
                "student_id": str(s),
                "skill": skill,
                "level": 1 + (i + week) % 4,
                "occasion": at.date().isoformat(),
                "rated_at": at.isoformat(),
            }
            for i, s in enumerate(crowd)
            for skill in SKILLS
        ]
        saved = await client.put(
            "/api/v1/ratings", json={"ratings": cells}, headers=bearer(town.here.teacher_tokens[0])
        )
        assert saved.json() == {"created": len(cells), "unchanged": 0}
    return crowd


async def play(client: httpx.AsyncClient, key: str, student: UUID, at: datetime, good: int) -> None:
    session = uuid4()
    steps: list[tuple[str, dict[str, Any]]] = []
    for n in range(12):
        task = f"task {n}"
        steps += [("task_start", {"task": task}), ("failure", {"task": task, "feedback": True})]
        if n < good:
            steps += [("feedback_viewed", {"task": task}), ("retry", {"task": task, "new_approach": True})]
            steps += [("task_complete", {"task": task, "least": 4, "used": 5 + n})]
        else:
            steps += [("retry", {"task": task, "new_approach": False})] * (n % 2)
        steps += [("choice_made", {"takes_perspective": n < good})]
    events = [
        wire_event(student, session, t, data=d, sequence=i, timestamp=(at + timedelta(seconds=9 * i)).isoformat())
        for i, (t, d) in enumerate(steps)
    ]
    assert (await send(client, key, wire_batch(events))).status_code == 201
    assert (
        await client.post(f"/api/v1/telemetry/session/{session}/close", headers=bearer(key))
    ).status_code == 200


LINES = ("let us use the {0} beams", "why the {0} ones?", "what do you think?", "the {0} beams hold", "okay")
THINGS = ("long", "steel", "wooden", "short", "paper", "thin")


async def group_talk(client: httpx.AsyncClient, town: Town, crowd: list[UUID], at: datetime) -> None:
    rows = ["start,end,speaker,text"]
    speakers = {f"S{i}": str(student) for i, student in enumerate(crowd)}
    for turn in range(12 * len(crowd)):
        line = LINES[(turn * turn + turn // 7) % len(LINES)].format(THINGS[(turn // 5) % len(THINGS)])
        rows.append(f"{turn * 3},{turn * 3 + 2},S{(turn * 5 + turn // 12) % len(crowd)},{line}")
    talk: dict[str, Any] = {
        "transcript_id": str(uuid4()),
        "format": "csv",
        "content": "\n".join(rows),
        "recorded_at": at.isoformat(),
        "speakers": speakers,
    }
    answer = await client.post("/api/v1/transcripts", json=talk, headers=bearer(town.here.key))
    assert answer.status_code == 201, answer.text
    again = await client.post("/api/v1/transcripts", json=talk, headers=bearer(town.here.key))
    assert again.json()["status"] == "duplicate"
    changed = await client.post(
        "/api/v1/transcripts",
        json=talk | {"content": talk["content"] + "\n9,9,S0,more"},
        headers=bearer(town.here.key),
    )
    assert changed.status_code == 409


async def test_three_sources_make_estimates_that_add_up_and_end_at_moments(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    crowd = await a_full_school(client, town, store)
    assert await rescore(store, town.here.school_id) == len(crowd)
    assert await rescore(store, town.here.school_id) == 0, "scoring again from the same appends nothing"
    async with store.work() as work:
        found = await current_observables(work, town.here.school_id, CATALOG_VERSION)
    assert {o.source.value for o in found[crowd[0]]} == {"game", "talk", "teacher"}
    scored = 0
    for student in crowd[:4]:
        for skill in SKILLS:
            url = f"/api/v1/students/{student}/skills/{skill}"
            body = (await client.get(url, headers=bearer(town.here.teacher_tokens[0]))).json()
            assert body["evidence"]
            for evidence in body["evidence"]:
                assert evidence["moments"], "each contribution ends at a moment"
                assert all(moment["what"] for moment in evidence["moments"])
            if body["skill"]["status"] == "unscored":
                assert body["contributions"] is None
                continue
            scored += 1
            total = body["prior_mean"] + sum(c["amount"] for c in body["contributions"])
            total += sum(body["rater_adjustments"].values())
            estimate = body["skill"]["estimate"]
            assert total == pytest.approx(estimate["mean"], abs=1e-9)
            assert estimate["score"] == pytest.approx(0.5 + estimate["mean"] / 6)
            assert sum(estimate["level_probabilities"].values()) == pytest.approx(1)
            assert {c["source"] for c in body["contributions"]} == {"game", "talk", "teacher"}
            ids = {e["observable_id"] for e in body["evidence"]}
            for claim in body["claims"]:
                assert set(claim["evidence"]) <= ids
            assert body["claims"]
    assert scored > 10
    growth = await client.get(f"/api/v1/students/{crowd[0]}/growth", headers=bearer(town.here.teacher_tokens[0]))
    for change in growth.json().values():
        if change is not None:
            assert "growth" not in change["words"].lower(), "one student's change is never announced as growth"
            assert "could only have shown" in change["words"]


async def test_an_etag_spares_what_is_known(client: httpx.AsyncClient, town: Town) -> None:
    url = f"/api/v1/students/{town.here.students[0]}/skills/empathy/history"
    first = await client.get(url, headers=bearer(town.here.counsellor_token))
    again = await client.get(
        url, headers=bearer(town.here.counsellor_token) | {"If-None-Match": first.headers["etag"]}
    )
    assert (first.status_code, again.status_code) == (200, 304)


async def test_changing_a_rating_replaces_it_and_saving_it_again_does_not(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    student, token = town.here.students[0], town.here.teacher_tokens[0]

    async def rate(level: object) -> dict[str, int]:
        cell = {"student_id": str(student), "skill": "empathy", "level": level, "occasion": "2026-03-02"}
        answer = await client.put("/api/v1/ratings", json={"ratings": [cell]}, headers=bearer(token))
        return dict(answer.json())

    async def observed() -> list[float]:
        async with store.work() as work:
            found = await current_observables(work, town.here.school_id, CATALOG_VERSION)
        return [o.measured.value for o in found.get(student, [])]

    assert await rate(3) == {"created": 1, "unchanged": 0}
    assert await rate(3) == {"created": 0, "unchanged": 1}
    assert await observed() == [3.0]
    assert await rate(4) == {"created": 1, "unchanged": 0}
    assert await observed() == [4.0]
    assert await rate("not seen") == {"created": 1, "unchanged": 0}
    assert await observed() == [], "not seen is missing, never low"
    listed = await client.get(
        "/api/v1/ratings", params={"class_id": str(town.here.classes[0])}, headers=bearer(token)
    )
    assert [r["level"] for r in listed.json()["ratings"]] == ["not seen"]


async def test_remapping_a_speaker_moves_the_observables(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    first, second = town.here.students[:2]
    rows = [f"{i},{i},{'AB'[i % 2]},shall we cross here or there {i}?" for i in range(14)]
    talk = {
        "transcript_id": str(uuid4()),
        "format": "csv",
        "content": "\n".join(["start,end,speaker,text", *rows]),
        "recorded_at": "2026-03-02T09:00:00Z",
        "speakers": {"A": str(first)},
    }
    made = await client.post("/api/v1/transcripts", json=talk, headers=bearer(town.here.key))
    assert made.json()["unresolved"] == ["B"]

    async def whose() -> set[UUID]:
        async with store.work() as work:
            return set(await current_observables(work, town.here.school_id, CATALOG_VERSION))

    assert await whose() == {first}, "an unresolved speaker is credited to nobody"
    moved = await client.put(
        f"/api/v1/transcripts/{talk['transcript_id']}/speakers",
        json={"speakers": {"A": None, "B": str(second)}},
        headers=bearer(town.here.teacher_tokens[0]),
    )
    assert moved.status_code == 200, moved.text
    assert await whose() == {second}
    wrong = await client.put(
        f"/api/v1/transcripts/{talk['transcript_id']}/speakers",
        json={"speakers": {"Z": str(second)}},
        headers=bearer(town.here.teacher_tokens[0]),
    )
    assert (wrong.status_code, wrong.json()["code"]) == (422, "unknown_speaker")


async def test_a_school_without_assessments_has_none(town: Town, store: Store) -> None:
    assert await rescore(store, town.there.school_id) == 0
    async with store.work() as work:
        assert await newest_assessments(work, town.there.school_id, list(town.there.students)) == {}
