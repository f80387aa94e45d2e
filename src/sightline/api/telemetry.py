"""Telemetry routes: events, batches, sessions, rejects."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from sightline.api.callers import beacon_sender, caller, doors, now, sender
from sightline.api.edge import MAX_BEACON_BYTES, read_body
from sightline.api.problems import problem
from sightline.errors import NOTHING_HERE, NotFound
from sightline.ingest.event_types import KNOWN_TYPES
from sightline.ingest.events import SentBatch, WireBatch, WireEvent, beacon_token, read_batch
from sightline.pipeline import closing, reading, receiving
from sightline.pipeline.limiting import headers, kind_for
from sightline.pipeline.reading import Purpose
from sightline.pipeline.scoring import SessionExtract
from sightline.store import sender_view, telemetry

LARGE = 512 * 1024
"""Bytes; a batch of a thousand events has about half of that."""

routes = APIRouter(prefix="/telemetry", tags=["telemetry"])


VERBOSE = {
    "name": "verbose",
    "in": "query",
    "required": False,
    "description": "true: a result for each event, also for those that were created",
    "schema": {"type": "boolean", "default": False},
}


def body_of(kind: type[Any], description: str) -> dict[str, Any]:
    """The OpenAPI description of a body that this application decodes itself."""
    schemas, components = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    own = components[schemas[0]["$ref"].rpartition("/")[2]]
    return {
        "requestBody": {
            "required": True,
            "description": description,
            "content": {"application/json": {"schema": own}},
        }
    }


@dataclass(frozen=True, slots=True)
class Feature:
    """One session feature: a value in `unit`, or null with its reason."""

    name: str
    value: float | None
    unit: str
    reason: str | None
    opportunities: int | None


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """A session's observables and features."""

    session_id: UUID
    student_id: UUID
    closed_at: datetime | None
    events: int
    catalog_version: str
    observables: list[dict[str, Any]]
    absences: dict[str, str]
    features: list[Feature]


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """One arrival: `status` is stored or rejected; a type that no rule reads is stored with code unknown_type."""

    received_at: datetime
    status: str
    event_id: str | None
    event_type: str | None
    session_id: UUID | None
    sequence: int | None
    data: dict[str, Any] | None
    code: str | None
    pointer: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Recent:
    """The newest arrivals, and how many of each unknown type are among them."""

    events: list[RecentEvent]
    unknown_types: dict[str, int]


def recent_answer(found: list[sender_view.Arrived]) -> Recent:
    events = [
        RecentEvent(
            received_at=a.received_at,
            status="stored" if a.code is None else "rejected",
            event_id=a.event_id,
            event_type=a.event_type,
            session_id=a.session_id,
            sequence=a.sequence,
            data=a.data,
            code=a.code or (None if a.event_type in KNOWN_TYPES else "unknown_type"),
            pointer=a.pointer,
            detail=a.detail,
        )
        for a in found
    ]
    unknown = Counter(e.event_type for e in events if e.code == "unknown_type" and e.event_type is not None)
    return Recent(events, dict(unknown))


def session_answer(extract: SessionExtract) -> SessionAnswer:
    return SessionAnswer(
        session_id=extract.session.session_id,
        student_id=extract.session.student_id,
        closed_at=extract.closed_at,
        events=len(extract.session.events),
        catalog_version=extract.extraction.catalog_version,
        observables=[
            {
                "indicator": o.indicator,
                "value": o.measured.value,
                "opportunities": o.measured.opportunities,
                "counted": o.measured.counted,
            }
            for o in extract.extraction.observables
        ],
        absences={a.indicator: a.reason.value for a in extract.extraction.absences},
        features=[
            Feature(f.name, f.value, f.unit, None if f.reason is None else f.reason.value, f.opportunities)
            for f in extract.features
        ],
    )


def _json(content: object, status: int, more: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, more, media_type="application/json")


@routes.post(
    "/events",
    status_code=HTTPStatus.CREATED,
    response_model=receiving.BatchAnswer,
    openapi_extra=body_of(WireEvent, "One event"),
)
async def send_event(request: Request) -> Response:
    """Store one event. 201 when it is stored or was already, 409 for the same id with other content, 422 else."""
    received = now()
    gatherer = doors(request).gatherer
    gatherer.check()
    sending = await sender(request)
    standing = await doors(request).limiter.admit(kind_for(sending, batch=False), sending.limit_key)
    body = await read_body(request)
    arrived = receiving.arrival(sending, [body], envelope=None, received_at=received, verbose=True)
    answer = await gatherer.submit(arrived)
    result = answer.results[0]
    if result.status in {"rejected", "conflict"}:
        status = HTTPStatus.CONFLICT if result.status == "conflict" else HTTPStatus.UNPROCESSABLE_ENTITY
        code, detail = result.code or "rejected", result.detail or "the event was not taken"
        errors = [{"pointer": result.pointer or "", "code": code, "detail": detail}]
        return problem(request, status, code=code, detail=detail, errors=errors, headers=headers(standing))
    return _json(answer, HTTPStatus.CREATED, headers(standing))


@routes.post(
    "/batch",
    status_code=HTTPStatus.CREATED,
    response_model=receiving.BatchAnswer,
    responses={207: {"model": receiving.BatchAnswer, "description": "Some events were not taken; each says why"}},
    openapi_extra=body_of(WireBatch, "Up to 1,000 events") | {"parameters": [VERBOSE]},
)
async def send_batch(request: Request) -> Response:
    """Store up to 1,000 events. One bad event never sinks its batch; answered means committed.

    `verbose=true` in the query asks for a result for each event. A sender that can set no header (a beacon) puts
    its launch token into the batch.
    """
    received = now()  # before anything is waited for: a wait of ours is no wrong clock of theirs
    gatherer, limiter = doors(request).gatherer, doors(request).limiter
    gatherer.check()
    if "authorization" in request.headers:
        sending = await sender(request)
        standing = await limiter.admit(kind_for(sending, batch=True), sending.limit_key)
        body = await read_body(request)
        gatherer.check()  # again: of a burst, all have come by until the first is read
        sent = await _read(body)
    else:
        body = await read_body(request, most=MAX_BEACON_BYTES)
        sending = await beacon_sender(request, beacon_token(body))
        sent = await _read(body)
        standing = await limiter.admit(kind_for(sending, batch=True), sending.limit_key)
    verbose = request.query_params.get("verbose", "") in {"true", "1"}
    answer = await gatherer.submit(receiving.batch_arrival(sending, sent, received_at=received, verbose=verbose))
    status = HTTPStatus.CREATED if answer.status == "processed" else HTTPStatus.MULTI_STATUS
    return _json(answer, status, headers(standing))


async def _read(body: bytes) -> SentBatch:
    """The batch, read in a thread when it is large, so that nobody else waits for it meanwhile."""
    return read_batch(body) if len(body) < LARGE else await asyncio.to_thread(read_batch, body)


@routes.get("/status/{batch_id}", response_model=receiving.BatchAnswer)
async def batch_status(request: Request, batch_id: UUID) -> Response:
    """What really became of the newest attempt at a batch; 404 when it was never seen."""
    sending = await sender(request)
    async with doors(request).store.work() as work:
        answer = await telemetry.last_answer(work, sending.school_id, batch_id, launch_id=sending.launch_id)
    if answer is None:
        raise NotFound(NOTHING_HERE)
    return JSONResponse(answer)


@routes.get("/rejects")
async def rejects(
    request: Request,
    cursor: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> Response:
    """Events of this credential that were not taken, oldest first, with the reason for each; kept for 30 days."""
    sending = await sender(request)
    async with doors(request).store.work() as work:
        found = await sender_view.rejects_of(
            work, sending.school_id, sending.credential_id, launch_id=sending.launch_id, after=cursor, limit=limit
        )
    response = _json({"rejects": found}, HTTPStatus.OK)
    if len(found) == limit:
        following = request.url.include_query_params(cursor=found[-1].reject_id, limit=limit)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return response


@routes.get("/recent")
async def recent(request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 100) -> Recent:
    """The newest events of this credential, newest first: stored, or why not. For whoever builds a game."""
    sending = await sender(request)
    async with doors(request).store.work() as work:
        found = await sender_view.newest(
            work,
            sending.school_id,
            sending.credential_id,
            student_id=sending.student_id,
            launch_id=sending.launch_id,
            now=now(),
            limit=limit,
        )
    return recent_answer(found)


@routes.post("/session/{session_id}/close")
async def close_session(request: Request, session_id: UUID) -> SessionAnswer:
    """Close a session and extract its observables. Closing again gives the same answer and doubles nothing."""
    sending = await sender(request)
    async with doors(request).store.work() as work:
        extract = await closing.close_session(
            work, sending.school_id, session_id, now=now(), reason="asked", student_id=sending.student_id
        )
    return session_answer(extract)


@routes.get("/session/{session_id}/features")
async def session_features(request: Request, session_id: UUID) -> SessionAnswer:
    """Telemetry's eight session features as they are now; null with a reason where there was no opportunity."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        extract = await reading.session_features(work, asking, session_id, Purpose("session", now()))
    return session_answer(extract)
