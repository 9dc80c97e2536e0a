"""Text from peers, made safe where it enters: for the log, the ledger, terminals and pages.

PostgreSQL refuses NUL, terminals obey escape sequences, and a newline forges a line of the log.
"""

from __future__ import annotations

MAX_CHARACTERS = 1000


def clean(text: object, limit: int = MAX_CHARACTERS) -> str:
    """Return `text` on one line, without control characters, at most `limit` characters long.

    Controls, line separators, bidirectional marks and lone surrogates become visible escapes such as `\\x1b`.
    A text that is cut ends in `…`.
    """
    visible = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in str(text)[: limit + 1]
    )
    return visible if len(visible) <= limit else visible[: limit - 1] + "…"
