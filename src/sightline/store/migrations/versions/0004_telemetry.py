"""Who sent an event, and what the sender may read of what arrives."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("sent_by", sa.Uuid(), nullable=True))
    # blocks of a table that only grows are in order of arrival: this index costs next to nothing
    op.create_index(op.f("events_received_at_idx"), "events", ["received_at"], postgresql_using="brin")
    op.add_column("batches", sa.Column("launch_id", sa.Uuid(), nullable=True))
    op.add_column("rejects", sa.Column("launch_id", sa.Uuid(), nullable=True))
    op.add_column("rejects", sa.Column("event_type", sa.Text(), nullable=True))
    op.create_index(op.f("rejects_received_at_idx"), "rejects", ["received_at"])
    op.create_index(op.f("batches_received_at_idx"), "batches", ["received_at"])


def downgrade() -> None:
    op.drop_index(op.f("batches_received_at_idx"), "batches")
    op.drop_index(op.f("rejects_received_at_idx"), "rejects")
    op.drop_column("rejects", "event_type")
    op.drop_column("rejects", "launch_id")
    op.drop_column("batches", "launch_id")
    op.drop_index(op.f("events_received_at_idx"), "events")
    op.drop_column("events", "sent_by")
