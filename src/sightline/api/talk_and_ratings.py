"""Transcripts and ratings in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from sightline.api.callers import caller, doors, now
from sightline.api.edge import read_body
from sightline.api.results import tagged
from sightline.api.telemetry import body_of
from sightline.errors import BadInput
from sightline.ingest.ratings import NOT_SEEN, WireRatings, read_ratings
from sightline.pipeline import reading, talk_and_ratings
from sightline.pipeline.reading import Purpose, allow
from sightline.pipeline.talk_and_ratings import IncomingTranscript, TranscriptState
from sightline.security.access import Act

routes = APIRouter(tags=["talk and ratings"])
T = TypeVar("T")


class WireTranscript(msgspec.Struct, frozen=True):
    """A transcript: text only. `speakers` maps labels to students, null for somebody who is no student."""

    transcript_id: UUID
    format: str
    content: str
    recorded_at: Annotated[datetime, msgspec.Meta(tz=True)]
    speakers: dict[str, UUID | None] = {}


class WireSpeakers(msgspec.Struct, frozen=True):
    """Who the speakers of a transcript are."""

    speakers: Annotated[dict[str, UUID | None], msgspec.Meta(min_length=1)]


def decoded(body: bytes, kind: type[T]) -> T:
    """The body as that type. Raises BadInput with a pointer."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as problem:
        message, _, path = str(problem).partition(" - at `$")
        raise BadInput(message, code="invalid_request", pointer=path.rstrip("`").replace(".", "/")) from problem
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        raise BadInput("the body is not valid JSON", code="malformed_json") from problem


@routes.post(
    "/transcripts",
    status_code=HTTPStatus.CREATED,
    response_model=TranscriptState,
    openapi_extra=body_of(WireTranscript, "A WebVTT or CSV transcript"),
)
async def send_transcript(request: Request) -> Response:
    """Store a transcript with its turns; sent again it is a duplicate, and nothing doubles."""
    body = await read_body(request)
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        sent = decoded(body, WireTranscript)
        wanted = frozenset(s for s in sent.speakers.values() if s is not None)
        allow(asking, Act.SEND_TRANSCRIPTS, students=wanted)
        incoming = IncomingTranscript(
            transcript_id=sent.transcript_id,
            form=sent.format,
            content=sent.content,
            recorded_at=sent.recorded_at,
            speakers=sent.speakers,
            sent_by=str(asking.staff_id),
        )
        state = await talk_and_ratings.receive_transcript(work, asking.school_id, incoming, now=now())
    return Response(msgspec.json.encode(state), HTTPStatus.CREATED, media_type="application/json")


@routes.get("/transcripts/{transcript_id}")
async def transcript(request: Request, transcript_id: UUID) -> TranscriptState:
    """Who speaks in a transcript, and which speakers are not resolved yet."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        return await reading.transcript(work, asking, transcript_id, Purpose("transcript", now()))


@routes.put("/transcripts/{transcript_id}/speakers", openapi_extra=body_of(WireSpeakers, "Labels to students"))
async def map_speakers(request: Request, transcript_id: UUID) -> TranscriptState:
    """Say who the speakers are; observables follow at once."""
    body = await read_body(request)
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        sent = decoded(body, WireSpeakers)
        allow(asking, Act.SEND_TRANSCRIPTS)
        before = await talk_and_ratings.transcript_state(work, asking.school_id, transcript_id, status="stored")
        known = frozenset(s for s in before.speakers.values() if s is not None)
        allow(asking, Act.SEND_TRANSCRIPTS, students=known, sent_by=before.sent_by)
        allow(asking, Act.SEND_TRANSCRIPTS, students=frozenset(s for s in sent.speakers.values() if s is not None))
        return await talk_and_ratings.map_speakers(
            work, asking.school_id, transcript_id, sent.speakers, mapped_by=str(asking.staff_id), now=now()
        )


@routes.put("/ratings", openapi_extra=body_of(WireRatings, "A grid, or the cells of it that changed"))
async def rate(request: Request) -> Mapping[str, int]:
    """Save ratings: 1 to 4, or "not seen". What is saved already stays as it is."""
    body = await read_body(request)
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        ratings = read_ratings(body, now=now())
        allow(asking, Act.RATE, students=frozenset(r.student_id for r in ratings))
        return await talk_and_ratings.receive_ratings(work, asking.school_id, asking.staff_id, ratings, now=now())


@routes.get("/ratings")
async def ratings(
    request: Request, *, class_id: Annotated[UUID, Query()], occasion: Annotated[date | None, Query()] = None
) -> Response:
    """Your own newest ratings of a class."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        allow(asking, Act.RATE, class_id=class_id)
        own = await reading.own_ratings(work, asking, class_id, occasion, Purpose("rating", now()))
    return tagged(
        request,
        {
            "ratings": [
                {
                    "student_id": r.student_id,
                    "skill": r.skill,
                    "level": NOT_SEEN if r.level is None else r.level,
                    "occasion": r.occasion,
                    "rated_at": r.rated_at,
                }
                for r in own
            ]
        },
    )
