"""The address that OpenGameData's loggers post to. They look at the status alone, and some repeat for ever."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sightline import metrics
from sightline.api.callers import doors, now
from sightline.api.edge import MAX_INFLATED_BYTES, read_body
from sightline.errors import Busy, DatabaseUnavailable, NotAllowed, NotSignedIn, SightlineError, TooMany
from sightline.ingest.opengamedata import LogBatch, read_log
from sightline.pipeline import receiving
from sightline.pipeline.limiting import headers, kind_for
from sightline.pipeline.receiving import Arrival
from sightline.pipeline.senders import Sender

TRY_AGAIN = (Busy, DatabaseUnavailable, TooMany)
"""Refusals after which sending the same again helps; they keep their status. All others are final, and answered
200 with FAIL in the text, as OpenGameData's own server does: a browser's logger sends what was answered 4xx again,
at once and for ever."""

LARGE = 256 * 1024
"""Bytes of a log above which it is read in a thread, so that nobody waits for it."""


async def log(request: Request) -> Response:
    """Store what a game's logger sends: the student is the launch token's, in `user_id` or as a bearer."""
    try:
        return await _stored(request)
    except TRY_AGAIN:
        raise
    except SightlineError as problem:
        metrics.TURNED_AWAY.labels("logger").inc()
        return PlainTextResponse(f"FAIL: {problem.code}: {problem.detail}")


async def _stored(request: Request) -> Response:
    received = now()
    gatherer = doors(request).gatherer
    gatherer.check()
    sending, student_id = await _launch(request)
    standing = await doors(request).limiter.admit(kind_for(sending, batch=True), sending.limit_key)
    body = await read_body(request, most=MAX_INFLATED_BYTES)
    query = dict(request.query_params)
    reading = partial(
        read_log, query, body, student_id=student_id, school_id=sending.school_id, received_at=received
    )
    found = await asyncio.to_thread(reading) if len(body) > LARGE else reading()
    taken = refused = 0
    for arrived in _arrivals(sending, found, received):
        answer = await gatherer.submit(arrived)
        taken += answer.received_count
        refused += answer.counts["rejected"] + answer.counts["conflict"]
    text = f"SUCCESS: {taken} events stored, {refused} refused; GET /api/v1/telemetry/rejects says why"
    return PlainTextResponse(text, headers=headers(standing))


async def _launch(request: Request) -> tuple[Sender, UUID]:
    """Who sends, and whose game it is. Raises NotSignedIn without a live launch, NotAllowed for a server key."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        token = request.query_params.get("user_id") or request.query_params.get("player_id") or ""
    if not token:
        raise NotSignedIn("set the game's user id to a launch token: POST /api/v1/launches makes one")
    sending = await doors(request).senders.sender(token.strip())
    if sending.student_id is None:
        raise NotAllowed("a log names no student, so it needs a launch token: POST /api/v1/launches makes one")
    return sending, sending.student_id


def _arrivals(sending: Sender, found: LogBatch, received: datetime) -> list[Arrival]:
    """The log's events as arrivals, the entries that could not be read with the first of them."""
    arrived = [
        receiving.batch_arrival(sending, batch, received_at=batch.envelope.sent_at, verbose=False)
        for batch in found.batches
    ]
    if not found.rejects:
        return arrived
    if not arrived:
        return [Arrival(sending, list(found.rejects), (), received, None, verbose=False)]
    return [replace(arrived[0], items=[*found.rejects, *arrived[0].items]), *arrived[1:]]
