"""Reads the answers of a FHIR server: transaction responses, OperationOutcomes, CapabilityStatements.

The destination `fhir` calls it. Nothing in an answer is trusted to be what it should.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_STATUS = re.compile(r"\s*(\d{3})\b")
_MOST_ISSUES = 5


class Unreadable(ValueError):  # noqa: N818 - said of the content
    """The content is not the resource that it should be; the message completes a sentence."""


def resource_in(content: bytes, resource_type: str) -> dict[str, Any]:
    """Return the resource of that type.

    Raises
    ------
    Unreadable
        If it is none, or another one.
    """
    resource = _read(content)
    found = resource.get("resourceType")
    if found != resource_type:
        raise Unreadable(f"it is no {resource_type}" + (f" but a {found}" if isinstance(found, str) else ""))
    return resource


def _read(content: bytes) -> dict[str, Any]:
    try:
        resource = json.loads(content)
    except (ValueError, RecursionError):
        page = content.lstrip()[:1] == b"<"
        raise Unreadable("it is a web page or XML" if page else "it cannot be read as JSON") from None
    if not isinstance(resource, dict):
        raise Unreadable("it is no resource")
    return resource


def objection_in(content: bytes) -> Mapping[str, Any] | None:
    """Return the OperationOutcome in an answer, None where there is none."""
    try:
        return resource_in(content, "OperationOutcome")
    except Unreadable:
        return None


def statuses_in(content: bytes) -> list[tuple[int, Mapping[str, Any] | None]]:
    """Return the status of each entry of a transaction response, and its OperationOutcome.

    A success may have an OperationOutcome, too; one that tells of an error is no success.

    Raises
    ------
    Unreadable
        If it is none, or an entry has no status.
    """
    bundle = resource_in(content, "Bundle")
    if bundle.get("type") not in ("transaction-response", "batch-response"):
        raise Unreadable("it is no response to a transaction")
    entries = bundle.get("entry") or []
    if not isinstance(entries, list):
        raise Unreadable("its entries are no list")
    return [_status(entry) for entry in entries]


def _status(entry: Any) -> tuple[int, Mapping[str, Any] | None]:
    response = entry.get("response") if isinstance(entry, dict) else None
    if not isinstance(response, dict):
        raise Unreadable("an entry has no response")
    found = _STATUS.match(str(response.get("status", "")))
    if found is None:
        raise Unreadable("an entry has no status")
    outcome = response.get("outcome")
    objection = outcome if isinstance(outcome, dict) else None
    status = int(found[1])
    if 200 <= status < 300 and _is_error(objection):
        raise Unreadable(f"an entry with status {status} has an error: {sentence_of(objection)}")
    return status, objection


def _is_error(objection: Mapping[str, Any] | None) -> bool:
    return any(issue.get("severity") in ("fatal", "error") for issue in _issues(objection))


def sentence_of(objection: Mapping[str, Any] | None) -> str:
    """Return what the issues of an OperationOutcome say; empty without one."""
    told = (_words_of(issue) for issue in list(_issues(objection))[:_MOST_ISSUES])
    return "; ".join(filter(None, dict.fromkeys(told)))


def _issues(objection: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    issues = (objection or {}).get("issue")
    for each in issues if isinstance(issues, list) else ():
        if isinstance(each, dict):
            yield each


def _words_of(issue: Mapping[str, Any]) -> str:
    details = issue.get("details")
    texts = [details.get("text") if isinstance(details, dict) else None, issue.get("diagnostics")]
    stated = " ".join(each for each in texts if isinstance(each, str))
    return stated or str(issue.get("code", ""))
