"""Transcripts, their utterances, and who their speakers are. The newest mapping of a transcript counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert

from sightline.domain.records import Conversation, Utterance
from sightline.store.database import Work
from sightline.store.schema import speakers, transcripts, utterances


@dataclass(frozen=True, slots=True)
class TranscriptHead:
    """A transcript without its words."""

    transcript_id: UUID
    recorded_at: datetime
    format: str
    sent_by: str
    content_hash: bytes


async def add_transcript(
    work: Work,
    school_id: UUID,
    head: TranscriptHead,
    turns: Sequence[Utterance],
    received_at: datetime,
) -> bool:
    """Append a transcript with its turns; False when one of that id is there already (nothing is written)."""
    row = {
        "school_id": school_id,
        "transcript_id": head.transcript_id,
        "recorded_at": head.recorded_at,
        "received_at": received_at,
        "format": head.format,
        "sent_by": head.sent_by,
        "content_hash": head.content_hash,
    }
    made = await work.execute(
        pg_insert(transcripts).values(row).on_conflict_do_nothing().returning(transcripts.c.transcript_id)
    )
    if made.scalar_one_or_none() is None:
        return False
    await work.execute(
        insert(utterances),
        [
            {
                "school_id": school_id,
                "transcript_id": head.transcript_id,
                "position": turn.position,
                "utterance_id": turn.utterance_id,
                "speaker": turn.speaker,
                "starts_at": turn.starts_at,
                "ends_at": turn.ends_at,
                "text": turn.text,
            }
            for turn in turns
        ],
    )
    return True


async def transcript_head(work: Work, school_id: UUID, transcript_id: UUID) -> TranscriptHead | None:
    found = await work.execute(
        select(transcripts).where(
            transcripts.c.school_id == school_id, transcripts.c.transcript_id == transcript_id
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    return TranscriptHead(row.transcript_id, row.recorded_at, row.format, row.sent_by, row.content_hash)


async def map_speakers(
    work: Work,
    school_id: UUID,
    transcript_id: UUID,
    mapping: Mapping[str, UUID | None],
    *,
    mapped_by: str,
    mapped_at: datetime,
) -> None:
    """Append a new mapping of speaker labels to students; None means "not a student, or not known"."""
    newest = await work.execute(
        select(func.coalesce(func.max(speakers.c.mapping), 0)).where(
            speakers.c.school_id == school_id, speakers.c.transcript_id == transcript_id
        )
    )
    number = newest.scalar_one() + 1
    await work.execute(
        insert(speakers),
        [
            {
                "school_id": school_id,
                "transcript_id": transcript_id,
                "mapping": number,
                "speaker": speaker,
                "student_id": student,
                "mapped_by": mapped_by,
                "mapped_at": mapped_at,
            }
            for speaker, student in mapping.items()
        ],
    )


async def speaker_map(work: Work, school_id: UUID, transcript_id: UUID) -> dict[str, UUID | None]:
    """The newest mapping; empty when nobody has mapped anything."""
    newest = (
        select(func.max(speakers.c.mapping))
        .where(speakers.c.school_id == school_id, speakers.c.transcript_id == transcript_id)
        .scalar_subquery()
    )
    found = await work.execute(
        select(speakers.c.speaker, speakers.c.student_id)
        .where(
            speakers.c.school_id == school_id,
            speakers.c.transcript_id == transcript_id,
            speakers.c.mapping == newest,
        )
        .order_by(speakers.c.speaker)
    )
    return {row.speaker: row.student_id for row in found}


async def conversation(work: Work, school_id: UUID, transcript_id: UUID) -> Conversation:
    """A transcript's turns in order, each with the student whom its speaker is mapped to."""
    mapped = await speaker_map(work, school_id, transcript_id)
    found = await work.execute(
        select(utterances)
        .where(utterances.c.school_id == school_id, utterances.c.transcript_id == transcript_id)
        .order_by(utterances.c.position)
    )
    return Conversation(
        transcript_id=transcript_id,
        utterances=tuple(_utterance(row, mapped.get(row.speaker)) for row in found),
    )


async def utterances_by_id(work: Work, school_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Utterance]:
    """Utterances by id, without the students behind their speakers."""
    if not ids:
        return {}
    found = await work.execute(
        select(utterances).where(utterances.c.school_id == school_id, utterances.c.utterance_id.in_(ids))
    )
    return {row.utterance_id: _utterance(row, None) for row in found}


def _utterance(row: Any, student_id: UUID | None) -> Utterance:
    return Utterance(
        utterance_id=row.utterance_id,
        position=row.position,
        speaker=row.speaker,
        student_id=student_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        text=row.text,
    )
