"""Credentials by their digest, and the log of what was disclosed to whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, or_, select, update

from sightline.security.access import Caller
from sightline.security.identity import CredentialKind
from sightline.store.database import Work
from sightline.store.schema import credentials, disclosures


@dataclass(frozen=True, slots=True)
class Credential:
    """A stored credential; its secret is not stored, only the digest it is found by.

    made_with: the credential that it was made with, and with which it ends; None for one that stands alone.
    """

    credential_id: UUID
    school_id: UUID
    kind: CredentialKind
    staff_id: UUID | None
    label: str
    created_at: datetime
    expires_at: datetime | None
    made_with: UUID | None = None


async def add_credential(work: Work, credential: Credential, digest: bytes) -> None:
    await work.execute(
        insert(credentials).values(
            school_id=credential.school_id,
            credential_id=credential.credential_id,
            kind=credential.kind.value,
            digest=digest,
            staff_id=credential.staff_id,
            label=credential.label,
            created_at=credential.created_at,
            expires_at=credential.expires_at,
            made_with=credential.made_with,
        )
    )


async def live_credential(work: Work, kind: CredentialKind, digest: bytes, now: datetime) -> Credential | None:
    """The credential of that kind and digest that lives, as does what it was made with: not ended, not too old."""
    origin = credentials.alias("origin")
    origin_lives = (
        select(origin.c.credential_id)
        .where(
            origin.c.school_id == credentials.c.school_id,
            origin.c.credential_id == credentials.c.made_with,
            origin.c.ended_at.is_(None),
            or_(origin.c.expires_at.is_(None), origin.c.expires_at > now),
        )
        .exists()
    )
    row = (
        await work.execute(
            select(credentials).where(
                credentials.c.digest == digest,
                credentials.c.kind == kind.value,
                credentials.c.ended_at.is_(None),
                or_(credentials.c.made_with.is_(None), origin_lives),
            )
        )
    ).one_or_none()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return Credential(
        credential_id=row.credential_id,
        school_id=row.school_id,
        kind=CredentialKind(row.kind),
        staff_id=row.staff_id,
        label=row.label,
        created_at=row.created_at,
        expires_at=row.expires_at,
        made_with=row.made_with,
    )


async def end_credential(work: Work, school_id: UUID, credential_id: UUID, now: datetime) -> bool:
    """End a credential; False when it had ended before, so that of two racing users one wins."""
    ended = await work.execute(
        update(credentials)
        .where(
            credentials.c.school_id == school_id,
            credentials.c.credential_id == credential_id,
            credentials.c.ended_at.is_(None),
        )
        .values(ended_at=now)
        .returning(credentials.c.credential_id)
    )
    return ended.scalar_one_or_none() is not None


async def record_disclosure(
    work: Work, caller: Caller, what: str, why: str, student_ids: Iterable[UUID], at: datetime
) -> None:
    """Write down a look at students' records, in the transaction of the look itself."""
    await work.execute(
        insert(disclosures).values(
            school_id=caller.school_id,
            at=at,
            staff_id=caller.staff_id,
            role=caller.role.value,
            what=what,
            why=why,
            student_ids=sorted(student_ids),
        )
    )
