"""A grid of ratings from the wire: 1 to 4 or "not seen", which is missing and never low."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from sightline.domain.skills import Skill
from sightline.errors import BadInput
from sightline.ingest.times import EARLIEST, in_utc

MAX_RATINGS = 1_000
NOT_SEEN = "not seen"
FARTHEST_EAST = timedelta(hours=14)
"""The day begins this much before UTC's on the easternmost islands: a school's today may be UTC's tomorrow."""


class WireRating(msgspec.Struct, frozen=True):
    """One cell of the grid. `occasion` is the day that the rating is about."""

    student_id: UUID
    skill: Skill
    level: Annotated[int, msgspec.Meta(ge=1, le=4)] | Literal["not seen"]
    occasion: date
    rated_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    @property
    def level_seen(self) -> int | None:
        return self.level if isinstance(self.level, int) else None


class WireRatings(msgspec.Struct, frozen=True):
    """The grid, or the cells of it that changed."""

    ratings: Annotated[list[WireRating], msgspec.Meta(min_length=1, max_length=MAX_RATINGS)]


_decoder = msgspec.json.Decoder(WireRatings)


def read_ratings(body: bytes, *, now: datetime) -> list[WireRating]:
    """All cells, or BadInput with a pointer to the first that cannot be taken; then nothing is stored."""
    try:
        ratings = _decoder.decode(body).ratings
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        where = re.search(r"`\$(.*)`$", str(problem))
        pointer = re.sub(r"\[(\d+)\]", r"/\1", where[1]).replace(".", "/") if where else ""
        raise BadInput(
            f"the ratings cannot be read: {problem}; a level is 1, 2, 3, 4 or {NOT_SEEN!r}",
            code="invalid_rating",
            pointer=pointer,
        ) from problem
    cells: set[tuple[UUID, Skill, date]] = set()
    for i, rating in enumerate(ratings):
        pointer = f"/ratings/{i}"
        rated_at = now if rating.rated_at is None else in_utc(rating.rated_at)
        if rating.occasion > (now + FARTHEST_EAST).date() or rated_at > now:
            raise BadInput("a rating lies in the future", code="future_time", pointer=f"{pointer}/occasion")
        if rating.occasion < EARLIEST.date() or rated_at < EARLIEST:
            raise BadInput("a rating lies before 2015", code="too_old", pointer=f"{pointer}/occasion")
        if rated_at < datetime.combine(rating.occasion, time.min, tzinfo=UTC) - FARTHEST_EAST:
            raise BadInput(
                "a rating was given before the day that it is about",
                code="too_early",
                pointer=f"{pointer}/rated_at",
            )
        cell = (rating.student_id, rating.skill, rating.occasion)
        if cell in cells:
            raise BadInput(
                "the grid has this student, skill and occasion twice; send one", code="twice", pointer=pointer
            )
        cells.add(cell)
    return ratings
