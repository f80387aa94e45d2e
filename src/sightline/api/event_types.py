"""The catalog of event types, for whoever builds a game: no person is in it, so it asks for no credential."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from sightline.api.results import tagged
from sightline.ingest.event_types import CATALOG, EVENT_CATALOG_VERSION, json_schema

routes = APIRouter(prefix="/telemetry", tags=["telemetry"])

FOR_AN_HOUR = "public, max-age=3600"
"""It changes with a release only, and an hour later is soon enough."""


@dataclass(frozen=True, slots=True)
class WireEventType:
    """One type. `read_as`: the type by whose name rules read it; `data_schema`: JSON Schema of its `data`.

    `shows` names the indicators whose rules read it, `session_features` the counts and times among the session
    features; both empty: it is kept, and no rule reads it.
    """

    event_type: str
    group: str
    meaning: str
    since: str
    read_as: str | None
    shows: list[str]
    session_features: list[str]
    data_schema: dict[str, Any]
    example: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WireEventCatalog:
    """All event types known from the start, with the version of their schemas."""

    version: str
    event_types: list[WireEventType]


def event_catalog() -> WireEventCatalog:
    return WireEventCatalog(
        version=EVENT_CATALOG_VERSION,
        event_types=[
            WireEventType(
                event_type=row.name,
                group=row.group,
                meaning=row.meaning,
                since=row.since,
                read_as=row.read_as,
                shows=list(row.shows),
                session_features=list(row.session_features),
                data_schema=json_schema(row),
                example=dict(row.example),
            )
            for row in CATALOG.values()
        ],
    )


@cache
def _encoded() -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(event_catalog()))


@routes.get("/event-types", response_model=WireEventCatalog)
async def event_types(request: Request) -> Response:
    """What each event type means, what its `data` may say, and what it makes visible. Needs no credential."""
    response = tagged(request, _encoded())
    response.headers["Cache-Control"] = FOR_AN_HOUR
    return response
