"""Builds the message, or the Bundle, that withdraws an answer at a RIS or an EHR.

A worker builds it from the bytes of the one that was sent, once a rejection note has withdrawn the image. Its
identifiers follow from those bytes, so that it is made once. It says in words that the answer is withdrawn.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from html import escape
from typing import Any

from gateway.records import FHIR_JSON, FHIR_WITHDRAWAL, HL7_V2, HL7_WITHDRAWAL, uid_from
from gateway.results.fhir import instant, term, uid_identifier
from gateway.results.hl7 import escaped, time_stamp
from gateway.results.result import Result

SENTENCE = "Withdrawn: the image of this research result was rejected; the result must not be used."

_WRONG = "W"  # HL7 table 0085: post original as wrong
_ERROR = "entered-in-error"  # R4 diagnostic-report-status, observation-status
_NULLIFY = ("v3-DataOperation", "NULLIFY")
_SET_ID, _TIME, _CONTROL_ID = 1, 6, 9  # positions in a segment that is split at its separator
_STATUS_CHANGED, _RESULT_STATUS, _OBSERVATION_STATUS = 22, 25, 11
_CONTROL_ID_DIGITS = 20


def withdrawal(sent: bytes, media_type: str, result_status: str, when: datetime) -> Result:
    """Return the result that withdraws another one.

    Parameters
    ----------
    sent
        A message ORU^R01 or a transaction Bundle as this gateway writes it.
    media_type
        Of both.
    result_status
        OBR-25 of a message (HL7 table 0123).
    when
        Aware; when the withdrawal is made.

    Raises
    ------
    ValueError
        If the bytes are none of these.
    """
    uid = uid_from(f"withdrawal|{hashlib.sha256(sent).hexdigest()}")
    try:
        if media_type == HL7_V2:
            return Result(HL7_WITHDRAWAL, HL7_V2, f"{uid}.hl7", _message(sent, uid, result_status, when))
        if media_type == FHIR_JSON:
            return Result(FHIR_WITHDRAWAL, FHIR_JSON, f"{uid}.json", _bundle(sent, uid, when))
    except (LookupError, TypeError) as error:
        raise ValueError(f"the file is damaged: {error!r}") from None
    raise ValueError(f"nothing of media type {media_type} can be withdrawn")


def _message(sent: bytes, uid: str, result_status: str, when: datetime) -> bytes:
    """Return the message: all that it changes is ASCII, whatever the character set of the rest."""
    segments: list[list[str]] = []
    for line in sent.decode("latin-1").split("\r")[:-1]:
        fields = line.split("|")
        segments.append(fields)
        if fields[0] == "MSH":
            digest = hashlib.sha256(f"message|{uid}".encode()).hexdigest()
            fields[_TIME], fields[_CONTROL_ID] = time_stamp(when), digest[:_CONTROL_ID_DIGITS].upper()
        elif fields[0] == "OBR":
            fields[_STATUS_CHANGED], fields[_RESULT_STATUS] = time_stamp(when), result_status
            segments.append(["NTE", "1", "", escaped(SENTENCE)])
        elif fields[0] == "OBX":
            fields[_OBSERVATION_STATUS] = _WRONG
    if not segments or segments[0][0] != "MSH":
        raise ValueError("the file is no HL7 message")
    return "".join("|".join(fields) + "\r" for fields in segments).encode("latin-1")


def _bundle(sent: bytes, uid: str, when: datetime) -> bytes:
    bundle: dict[str, Any] = json.loads(sent)
    bundle["identifier"], bundle["timestamp"] = uid_identifier(uid), instant(when)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] in ("DiagnosticReport", "Observation"):
            _withdraw(resource, when)
        elif resource["resourceType"] == "Provenance":
            (tag,) = resource["meta"]["tag"]
            tag["code"] = uid
            entry["request"]["ifNoneExist"] = f"_tag={tag['system']}|{uid}"
            resource |= {"recorded": instant(when), "activity": term(*_NULLIFY)}
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def _withdraw(resource: dict[str, Any], when: datetime) -> None:
    """Change a report or an observation; its words begin with the withdrawal, its page goes."""
    resource |= {"status": _ERROR, "issued": instant(when)}
    resource.pop("presentedForm", None)
    if "conclusion" in resource:
        resource["conclusion"] = f"{SENTENCE} {resource['conclusion']}"
    if "note" in resource:
        resource["note"] = [{"text": SENTENCE}, *resource["note"]]
    begin, end = resource["text"]["div"].split(">", 1)
    resource["text"]["div"] = f"{begin}><p><b>{escape(SENTENCE)}</b></p>{end}"
