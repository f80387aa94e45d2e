"""Which credential a credential was made with, and ends with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("credentials", sa.Column("made_with", sa.Uuid(), nullable=True))


def downgrade() -> None:
    # without the column nothing would end them with their key
    op.execute(sa.text("delete from credentials where made_with is not null"))
    op.drop_column("credentials", "made_with")
