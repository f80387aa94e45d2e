"""What the update of one student reads and writes, on the driver's own connection, in one exchange each.

The statements are those of `evidence` and `assessments`, made once; a student's hundred observables take a quarter
of a millisecond this way.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec
from psycopg.rows import namedtuple_row
from sqlalchemy import bindparam, insert, literal_column, select

from sightline.domain.estimates import Assessment
from sightline.domain.observables import Observable
from sightline.store.assessments import Mark, newest_mark, row_of
from sightline.store.database import Driver, driver_sql
from sightline.store.evidence import current_of_student, observable_of
from sightline.store.schema import assessments
from sightline.store.telemetry import lock_key

HOLD = "select pg_advisory_xact_lock(%(key)s)"
MARK = driver_sql(newest_mark())
OBSERVABLES = driver_sql(current_of_student())
NEWEST = driver_sql(
    select(assessments.c.content_hash)
    .where(assessments.c.school_id == bindparam("school_id"), assessments.c.student_id == bindparam("student_id"))
    .order_by(assessments.c.entry.desc())
    .limit(literal_column("1"))
)
ADD = driver_sql(insert(assessments).values({c.name: bindparam(c.name) for c in assessments.c if not c.identity}))


class Stored(NamedTuple):
    """One student as the database has them: the school's mark, the newest assessment's content, observables."""

    mark: Mark
    content_hash: bytes | None
    observables: list[Observable]


def read(driver: Driver, school_id: UUID, student_id: UUID, catalog_version: str) -> Stored:
    """Hold the school alone until the end of the transaction, and read the student."""
    driver.prepare_threshold = 0  # planning takes longer than all the rest
    asked = {"school_id": school_id, "student_id": student_id, "catalog_version": catalog_version}
    with driver.pipeline():
        driver.execute(HOLD, {"key": lock_key(school_id, school_id)})
        mark = driver.execute(MARK, asked)
        newest = driver.execute(NEWEST, asked)
        rows = driver.cursor(binary=True, row_factory=namedtuple_row).execute(OBSERVABLES, asked)
        entries, known = mark.fetchone(), newest.fetchone()
        return Stored(
            mark=Mark(None, None, None) if entries is None else Mark(*entries),
            content_hash=None if known is None else bytes(known[0]),
            observables=[observable_of(row, ()) for row in rows.fetchall()],
        )


def add(driver: Driver, school_id: UUID, assessment: Assessment, known: bytes | None) -> bool:
    """Append an assessment; False when it says the same as the newest, whose content hash is given."""
    row = row_of(school_id, assessment)
    if row["content_hash"] == known:
        return False
    driver.execute(ADD, row | {name: msgspec.json.encode(row[name]).decode() for name in ("summary", "body")})
    return True
