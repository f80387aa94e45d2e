"""The job queue's own tables, from the procrastinate release that this one is pinned to."""

from __future__ import annotations

import re

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # straight to the driver: the script holds several statements and bare percent signs
    driver = op.get_bind().connection.driver_connection
    if driver is None:
        raise RuntimeError("the migration has no connection to PostgreSQL")
    driver.execute(SchemaManager.get_schema())


def downgrade() -> None:
    connection = op.get_bind()
    schema = SchemaManager.get_schema()
    for kind in ("TABLE", "FUNCTION", "TYPE"):
        for name in re.findall(rf"CREATE {kind} (procrastinate_\w+)", schema):
            connection.exec_driver_sql(f"DROP {kind} IF EXISTS {name} CASCADE")
