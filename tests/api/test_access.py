"""Nobody gets in where they don't belong: every route, every kind of caller; a new route without a row fails."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from builders import SECRET, Place, Town, bearer, send, wire_batch, wire_event
from sightline.api.app import api
from sightline.pipeline.signing_in import issue_for_staff, use_link
from sightline.security.identity import CredentialKind, kind_of
from sightline.settings import Settings
from sightline.store.database import Store
from sightline.store.schema import disclosures

pytestmark = pytest.mark.asyncio

OPEN = {("GET", "/health"), ("GET", "/telemetry/event-types")}
SENDING = {
    ("POST", "/telemetry/events"),
    ("POST", "/telemetry/batch"),
    ("GET", "/telemetry/status/{batch_id}"),
    ("GET", "/telemetry/rejects"),
    ("GET", "/telemetry/recent"),
    ("POST", "/telemetry/session/{session_id}/close"),
}
OF_A_STUDENT = {
    ("GET", "/students/{student_id}"),
    ("GET", "/students/{student_id}/skills"),
    ("GET", "/students/{student_id}/skills/{skill}"),
    ("GET", "/students/{student_id}/skills/{skill}/history"),
    ("GET", "/students/{student_id}/growth"),
}
OF_A_CLASS = {("GET", "/classes/{class_id}/skills"), ("GET", "/classes/{class_id}/growth")}
OF_A_TALK = {("GET", "/transcripts/{transcript_id}"), ("PUT", "/transcripts/{transcript_id}/speakers")}
OF_LAUNCHES = {
    ("POST", "/launches"),
    ("GET", "/launches/{launch_id}"),
    ("POST", "/launches/{launch_id}/end"),
}
OTHERS = {
    ("GET", "/telemetry/session/{session_id}/features"),
    ("POST", "/transcripts"),
    ("PUT", "/ratings"),
    ("GET", "/ratings"),
    ("GET", "/students"),
    ("GET", "/rubrics"),
    ("GET", "/quality/indicators"),
    ("GET", "/auth/me"),
    ("POST", "/auth/logout"),
}


def routes(store: Store, settings: Settings) -> set[tuple[str, str]]:
    schema = api(store, settings).openapi()["paths"]
    return {(method.upper(), path) for path, methods in schema.items() for method in methods}


async def test_every_route_has_a_row_here(store: Store, settings: Settings) -> None:
    assert routes(store, settings) == OPEN | SENDING | OF_A_STUDENT | OF_A_CLASS | OF_A_TALK | OF_LAUNCHES | OTHERS


def address(path: str, place: Place, session: object = "", talk: object = "") -> str:
    filled = path.replace("{student_id}", str(place.students[0])).replace("{class_id}", str(place.classes[0]))
    filled = filled.replace("{skill}", "resilience").replace("{session_id}", str(session or uuid4()))
    filled = filled.replace("{launch_id}", str(uuid4()))
    return "/api/v1" + filled.replace("{batch_id}", str(uuid4())).replace("{transcript_id}", str(talk or uuid4()))


async def test_without_a_credential_every_route_answers_401(
    client: httpx.AsyncClient, town: Town, store: Store, settings: Settings
) -> None:
    cell = {"student_id": str(town.here.students[0]), "skill": "empathy", "level": 2, "occasion": "2026-03-02"}
    bodies = {
        "/ratings": {"ratings": [cell]},
        "/transcripts": a_talk(town.here),
        "/transcripts/{transcript_id}/speakers": {"speakers": {"A": None}},
    }
    for method, path in routes(store, settings) - OPEN:
        for headers in ({}, bearer("sk_" + "0" * 64), bearer("nonsense"), {"Authorization": "Basic eDp5"}):
            answer = await client.request(
                method,
                address(path, town.here),
                headers=headers,
                json=bodies.get(path),
                params={"class_id": str(uuid4())},
            )
            assert answer.status_code == 401, (method, path)
            assert answer.json()["code"] == "not_signed_in"
            assert answer.headers["content-type"] == "application/problem+json"


async def test_not_yours_looks_like_not_there(client: httpx.AsyncClient, town: Town) -> None:
    talk = a_talk(town.here)
    made = await client.post("/api/v1/transcripts", json=talk, headers=bearer(town.here.key))
    assert made.status_code == 201
    strangers = (
        town.here.teacher_tokens[1],
        town.there.teacher_tokens[0],
        town.there.counsellor_token,
        town.there.administrator_token,
    )
    for method, path in OF_A_STUDENT | OF_A_CLASS | {("GET", "/transcripts/{transcript_id}")}:
        for token in strangers:
            theirs = await client.request(
                method, address(path, town.here, talk=talk["transcript_id"]), headers=bearer(token)
            )
            unknown = await client.request(
                method,
                address(path, town.here)
                .replace(str(town.here.students[0]), str(uuid4()))
                .replace(str(town.here.classes[0]), str(uuid4())),
                headers=bearer(token),
            )
            assert (theirs.status_code, unknown.status_code) == (404, 404), (method, path)
            one, other = theirs.json(), unknown.json()
            if "transcript" not in path:
                assert (one["detail"], one["code"]) == (other["detail"], other["code"])


def a_talk(place: Place) -> dict[str, object]:
    return {
        "transcript_id": str(uuid4()),
        "format": "csv",
        "content": "start,end,speaker,text\n1,2,A,hello there\n",
        "recorded_at": "2026-03-02T09:00:00Z",
        "speakers": {"A": str(place.students[0])},
    }


async def test_a_server_key_sends_and_reads_no_student(client: httpx.AsyncClient, town: Town) -> None:
    for method, path in OF_A_STUDENT | OF_A_CLASS | {("GET", "/students"), ("GET", "/quality/indicators")}:
        answer = await client.request(method, address(path, town.here), headers=bearer(town.here.key))
        assert answer.status_code == 403, path


async def test_staff_cannot_send_events_and_a_teacher_rates_own_students_only(
    client: httpx.AsyncClient, town: Town
) -> None:
    batch = wire_batch([wire_event(town.here.students[0], uuid4())])
    assert (await send(client, town.here.teacher_tokens[0], batch)).status_code == 403
    own, other, far = town.here.students[0], town.here.students[3], town.there.students[0]
    for student, status in ((own, 200), (other, 404), (far, 404), (uuid4(), 404)):
        cell = {"student_id": str(student), "skill": "empathy", "level": 2, "occasion": "2026-03-02"}
        answer = await client.put(
            "/api/v1/ratings", json={"ratings": [cell]}, headers=bearer(town.here.teacher_tokens[0])
        )
        assert answer.status_code == status
    listed = await client.get("/api/v1/students", headers=bearer(town.here.teacher_tokens[0]))
    assert {s["student_id"] for s in listed.json()["students"]} == {str(s) for s in town.here.class_of(0)}


async def test_a_key_of_another_school_reaches_no_student_here(client: httpx.AsyncClient, town: Town) -> None:
    answer = await send(client, town.there.key, wire_batch([wire_event(town.here.students[0], uuid4())]))
    assert answer.json()["results"][0]["code"] == "unknown_student"
    talk = await client.post("/api/v1/transcripts", json=a_talk(town.here), headers=bearer(town.there.key))
    assert (talk.status_code, talk.json()["code"]) == (422, "unknown_student")


async def test_every_look_is_written_down(client: httpx.AsyncClient, town: Town, store: Store) -> None:
    looks = [*OF_A_STUDENT, *OF_A_CLASS, ("GET", "/students")]
    for method, path in looks:
        answer = await client.request(
            method, address(path, town.here), headers=bearer(town.here.counsellor_token), params={"why": "review"}
        )
        assert answer.status_code == 200
    async with store.work() as work:
        found = await work.execute(select(disclosures).where(disclosures.c.school_id == town.here.school_id))
        written = found.all()
    assert len(written) == len(looks)
    assert {row.why for row in written} == {"review"}
    assert {row.role for row in written} == {"counsellor"}
    assert all(town.here.students[0] in row.student_ids for row in written)


async def test_a_sign_in_link_is_no_access_token_and_works_once(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    now = datetime.now(UTC)
    async with store.work() as work:
        link = await issue_for_staff(
            work,
            town.here.school_id,
            town.here.teachers[0],
            CredentialKind.SIGN_IN_LINK,
            secret_key=SECRET,
            now=now,
        )
    assert (await client.get("/api/v1/auth/me", headers=bearer(link))).status_code == 401
    async with store.work() as work:
        session = await use_link(work, link, secret_key=SECRET, now=now)
    assert kind_of(session) is CredentialKind.STAFF_SESSION
    me = await client.get("/api/v1/auth/me", headers={"Cookie": f"sightline_session={session}"})
    assert me.json()["role"] == "teacher"
    cross = await client.post(
        "/api/v1/auth/logout",
        headers={"Cookie": f"sightline_session={session}", "Origin": "https://elsewhere.test"},
    )
    assert (cross.status_code, cross.json()["code"]) == (403, "cross_site")
    out = await client.post("/api/v1/auth/logout", headers=bearer(session))
    assert out.status_code == 204
    assert (await client.get("/api/v1/auth/me", headers=bearer(session))).status_code == 401


async def test_problems_have_one_shape_and_echo_their_ids(client: httpx.AsyncClient, town: Town) -> None:
    ids = {"X-Request-ID": "abc-1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    for method, path, status in (
        ("GET", "/api/v1/nowhere", 404),
        ("DELETE", "/api/v1/students", 405),
        ("GET", "/api/v1/students/not-a-uuid", 422),
        ("GET", "/api/v1/students?limit=201", 422),
        ("GET", "/api/v1/students?cursor=xx", 422),
        ("GET", "/api/v1/students?why=%00", 422),
        ("PUT", "/api/v1/ratings", 422),
    ):
        answer = await client.request(
            method,
            path,
            headers=bearer(town.here.teacher_tokens[0]) | ids,
            content=b"{}" if method == "PUT" else None,
        )
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert set(body) == {"type", "title", "status", "detail", "instance", "code", "errors", "trace_id"}
        assert body["trace_id"] == "a" * 32
        assert answer.headers["x-request-id"] == "abc-1"
        assert "Content-Security-Policy" in answer.headers
        assert answer.headers["cache-control"] == "private, no-store"


async def test_paging_lists_everybody_once(client: httpx.AsyncClient, town: Town) -> None:
    seen: list[str] = []
    url: str | None = "/api/v1/students?limit=2"
    while url is not None:
        answer = await client.get(url, headers=bearer(town.here.administrator_token))
        seen += [s["student_id"] for s in answer.json()["students"]]
        url = answer.links["next"]["url"] if "next" in answer.links else None
    assert sorted(seen) == sorted(str(s) for s in town.here.students)
