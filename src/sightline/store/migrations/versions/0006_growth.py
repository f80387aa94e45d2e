"""What was found about change of each class and its students."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "class_growth",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "class_id"],
            ["classes.school_id", "classes.class_id"],
            name=op.f("class_growth_school_id_class_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("class_growth_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "class_id", "entry", name=op.f("class_growth_pkey")),
    )


def downgrade() -> None:
    op.drop_table("class_growth")
