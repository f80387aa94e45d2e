"""Results out: students, skills with their reasons, classes."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from sightline.api.callers import caller, doors, now
from sightline.api.wire import (
    WireChange,
    WireOneStudent,
    WireReasons,
    WireSetAside,
    WireSkill,
    WireStudent,
    one_student_out,
    reasons_out,
    set_aside_out,
    skill_out,
    student_out,
)
from sightline.domain.skills import SKILLS, Skill
from sightline.errors import BadInput
from sightline.pipeline import reading
from sightline.pipeline.reading import Purpose
from sightline.quality.health import IndicatorHealth

routes = APIRouter(tags=["results"])

Why = Annotated[
    str,
    Query(
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Why you look; it is written into the disclosure log",
    ),
]


@dataclass(frozen=True, slots=True)
class WireClass:
    """The heatmap's data."""

    class_id: UUID
    title: str
    simulated: bool
    as_of: datetime | None
    card_version: str
    catalog_version: str
    students: list[WireStudent]
    set_aside: list[WireSetAside]


def _purpose(why: str) -> Purpose:
    return Purpose(why, now())


def tagged(request: Request, content: object) -> Response:
    """The content with its ETag; 304 when the asker has it."""
    body = msgspec.json.encode(content)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    return Response(body, media_type="application/json", headers={"ETag": etag})


@routes.get("/students")
async def students(
    request: Request,
    *,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    why: Why = "teaching",
) -> Response:
    """Students you may see, by name."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        page = await reading.students_page(work, asking, _purpose(why), after=_after(cursor), limit=limit)
    response = tagged(
        request, {"students": [{"student_id": s.student_id, "display_name": s.display_name} for s in page]}
    )
    if len(page) == limit:
        opaque = base64.urlsafe_b64encode(msgspec.json.encode((page[-1].display_name, page[-1].student_id)))
        following = request.url.include_query_params(cursor=opaque.decode(), limit=limit)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return response


def _after(cursor: str | None) -> tuple[str, UUID] | None:
    if cursor is None:
        return None
    try:
        name, last = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[str, UUID])
    except (ValueError, msgspec.MsgspecError) as problem:
        raise BadInput("this cursor was not made here; start without one", pointer="/cursor") from problem
    return name.replace("\x00", ""), last  # no name holds a NUL character


@routes.get("/students/{student_id}", response_model=WireOneStudent)
@routes.get("/students/{student_id}/skills", response_model=WireOneStudent)
async def student(request: Request, student_id: UUID, *, why: Why = "teaching") -> Response:
    """The seven skills of a student now: an estimate with its error, or why there is none."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        row = await reading.student_row(work, asking, student_id, _purpose(why))
    return tagged(request, one_student_out(row))


@routes.get("/students/{student_id}/skills/{skill}", response_model=WireReasons)
async def reasons(request: Request, student_id: UUID, skill: Skill, *, why: Why = "teaching") -> Response:
    """One skill with contributions, claims, and evidence down to the moment."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        view = await reading.student_view(work, asking, student_id, _purpose(why), skills=(skill,))
    versions = {"card": view.card.version}
    return tagged(request, reasons_out(student_id, view.skills[0], dict(view.moments), versions))


@routes.get("/students/{student_id}/skills/{skill}/history", response_model=list[WireSkill])
async def history(request: Request, student_id: UUID, skill: Skill, *, why: Why = "teaching") -> Response:
    """Past results, newest first, one for each day that the evidence reached."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        past = await reading.history(work, asking, student_id, skill, _purpose(why))
    return tagged(request, [skill_out(result) for result in past])


@routes.get("/students/{student_id}/growth")
async def growth(request: Request, student_id: UUID, *, why: Why = "teaching") -> dict[str, WireChange | None]:
    """What may be said of change, skill by skill; null where there is no estimate."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        changes = await reading.changes(work, asking, student_id, _purpose(why))
    return {
        skill.value: None if c is None else WireChange(c.probability_of_rise, c.smallest_visible, c.words)
        for skill, c in changes.items()
    }


@routes.get("/classes/{class_id}/skills", response_model=WireClass)
async def class_skills(request: Request, class_id: UUID, *, why: Why = "teaching") -> Response:
    """The newest results of a class."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        view = await reading.class_view(work, asking, class_id, _purpose(why))
    return tagged(
        request,
        WireClass(
            class_id=view.class_id,
            title=view.title,
            simulated=view.school.simulated,
            as_of=view.as_of,
            card_version=view.card.version,
            catalog_version=view.catalog_version,
            students=[student_out(row) for row in view.rows],
            set_aside=set_aside_out(view.set_aside),
        ),
    )


@routes.get("/quality/indicators")
async def indicator_quality(request: Request) -> list[IndicatorHealth]:
    """What each indicator could observe in your school, and why it could not; counts only."""
    async with doors(request).store.work() as work:
        return list(await reading.health_of_indicators(work, await caller(request, work), now()))


@routes.get("/rubrics")
async def rubrics(request: Request) -> list[dict[str, Any]]:
    """The rubric: one item a skill, levels 1 to 4 or "not seen"."""
    async with doors(request).store.work() as work:
        await caller(request, work)
    return [{"skill": skill.value, "levels": [1, 2, 3, 4], "missing": "not seen"} for skill in SKILLS]
