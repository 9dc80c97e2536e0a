"""Derives the UIDs of results: encoding the same answer again gives the same UIDs."""

from __future__ import annotations

from gateway.records import uid_from


def result_uid(
    source_sop_instance_uid: str, pixel_digest: str, device_uid: str, configuration: str, kind: str
) -> str:
    """Return the identity of one result: the SOP Instance UID of a DICOM result.

    Parameters
    ----------
    source_sop_instance_uid
        Of the image that was answered.
    pixel_digest
        Hash of its pixels: a UID that is resent with other pixels gets another answer, so another UID.
    device_uid
        Of the model (`ModelIdentity.device_uid`).
    configuration
        Hash of every setting that changes a result's bytes.
    kind
        Of the result: `sr`, `sc` or another one of `kinds`.
    """
    return uid_from(f"result|{source_sop_instance_uid}|{pixel_digest}|{device_uid}|{configuration}|{kind}")


def series_uid(sop_instance_uid: str) -> str:
    """Return the Series Instance UID of the result `sop_instance_uid`: each result is its own series."""
    return uid_from(f"series|{sop_instance_uid}")


def tracking_uid(source_sop_instance_uid: str, device_uid: str) -> str:
    """Return the Tracking Unique Identifier of a model's observation on one image (TID 1501)."""
    return uid_from(f"tracking|{source_sop_instance_uid}|{device_uid}")


def lasting_uid(resource: str, source_sop_instance_uid: str, model_name: str) -> str:
    """Return the identity of a resource that holds a model's latest answer to one image.

    Other than `result_uid`, a corrected answer has it again: by another version, or with other settings.
    """
    return uid_from(f"lasting|{resource}|{source_sop_instance_uid}|{model_name}")
