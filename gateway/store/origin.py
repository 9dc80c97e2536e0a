"""The source of an image that arrives by itself because the gateway asked a PACS to send it (C-MOVE)."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.store.entries import PullState
from gateway.store.schema import pull_instances, pulls


def source_that_was_asked(sop_instance_uid: str | sa.BindParameter[str]) -> sa.ScalarSelect[str]:
    """Return the expression for the source that was asked for an instance; null where none was."""
    asked = (
        sa.select(pulls.c.source)
        .join_from(pull_instances, pulls)
        .where(pull_instances.c.sop_instance_uid == sop_instance_uid, pulls.c.state == PullState.ASKED)
    )
    return asked.limit(1).scalar_subquery()
