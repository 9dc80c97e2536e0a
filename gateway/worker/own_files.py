"""Writes results that a worker makes after an answer: rejection notes and readers' reports."""

from __future__ import annotations

import hashlib

from gateway.results.result import Result
from gateway.store.entries import StoredResult
from gateway.store.objects import Objects


def keep_file(results: Objects, made: Result) -> StoredResult:
    """Write and publish a result; where its name is taken, the first file stays and is returned.

    Raises
    ------
    Retry, OSError
        If the store is away, or the disk takes nothing.
    """
    draft = results.begin()
    draft.write(made.content)
    path = results.finish(draft, made.name)
    results.publish(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return StoredResult(made.kind, made.media_type, path, sha256, made.sop_class_uid, made.sop_instance_uid)
