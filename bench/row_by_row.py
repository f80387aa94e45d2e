"""The design that systems of this kind usually have, written for comparison: an ORM, and each event by itself.

    python bench/row_by_row.py PORT

For each event two statements (is the student there, is the event there) and a flush; one commit a batch. Pydantic
checks the batch as a whole. The table has the columns, keys and indexes of `events`. SIGHTLINE_DATABASE_URL names
the database; there is no sign-in, no limit and no check of the data, so it does less than it is compared with.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import uvicorn
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import LargeBinary, create_engine, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from sightline.store.database import driver_url

engine = create_engine(driver_url(os.environ["SIGHTLINE_DATABASE_URL"]), pool_size=10)
make_session = sessionmaker(engine)
app = FastAPI()


class Base(DeclarativeBase):
    """The mapped tables."""


class StudentRow(Base):
    """A student of the roster."""

    __tablename__ = "students"
    school_id: Mapped[UUID] = mapped_column(primary_key=True)
    student_id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str]


class EventRow(Base):
    """An event."""

    __tablename__ = "events_by_row"
    school_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    student_id: Mapped[UUID]
    session_id: Mapped[UUID]
    event_type: Mapped[str]
    stated_at: Mapped[datetime]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    sequence: Mapped[int | None]
    mission_id: Mapped[str | None]
    game_version: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)


class Sent(BaseModel):
    """One event as it is sent."""

    event_id: UUID
    student_id: UUID
    session_id: UUID
    event_type: str
    timestamp: datetime
    data: dict[str, Any]
    sequence: int | None = None
    mission_id: str | None = None
    game_version: str | None = None


class Batch(BaseModel):
    """A batch as it is sent."""

    batch_id: UUID
    client_version: str
    sent_at: datetime
    events: list[Sent]


def a_session() -> Any:
    with make_session() as session:
        yield session


@app.post("/api/v1/telemetry/batch", status_code=201)
def send_batch(batch: Batch, session: Annotated[Session, Depends(a_session)]) -> dict[str, Any]:
    """Store a batch, event by event."""
    created = 0
    now = datetime.now(UTC)
    for sent in batch.events:
        student = session.scalars(select(StudentRow).where(StudentRow.student_id == sent.student_id)).first()
        if student is None:
            continue
        known = session.scalars(
            select(EventRow.event_id).where(
                EventRow.school_id == student.school_id, EventRow.event_id == sent.event_id
            )
        ).first()
        if known is not None:
            continue
        session.add(
            EventRow(
                school_id=student.school_id,
                event_id=sent.event_id,
                student_id=sent.student_id,
                session_id=sent.session_id,
                event_type=sent.event_type,
                stated_at=sent.timestamp,
                occurred_at=sent.timestamp,
                received_at=now,
                sequence=sent.sequence,
                mission_id=sent.mission_id,
                game_version=sent.game_version,
                data=sent.data,
                content_hash=hashlib.sha256(json.dumps(sent.data, sort_keys=True).encode()).digest(),
            )
        )
        session.flush()
        created += 1
    session.commit()
    return {"counts": {"created": created}}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
