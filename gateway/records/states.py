"""The words of the ledger: states of an image, reason codes, presence of the finding, timed stages."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """State of an image."""

    RECEIVED = "received"  # bytes on disk and row committed; the sender was told 0x0000
    INELIGIBLE = "ineligible"  # no answer is due, for the reason given
    INFERRED = "inferred"  # SR and SC are on disk; delivery is under way
    DELIVERED = "delivered"  # every destination has the results
    FAILED = "failed"  # an answer was due and cannot be given, for the reason given


class Reason(StrEnum):
    """Why an image has no answer: reason codes of `ineligible` and `failed`."""

    # ineligible: the header says that no answer is due
    NOT_RADIOGRAPH = "not_radiograph"  # Modality is not CR or DX
    SECONDARY_CAPTURE = "secondary_capture"  # a capture, and the configuration does not admit them
    FOR_PROCESSING = "for_processing"  # Presentation Intent Type FOR PROCESSING
    OWN_RESULT = "own_result"  # the gateway's own SR or SC coming back
    NOT_CHEST = "not_chest"
    BODY_PART_UNKNOWN = "body_part_unknown"  # nothing in the header says what was imaged
    LATERAL = "lateral"
    OBLIQUE = "oblique"
    VIEW_CONFLICT = "view_conflict"  # two attributes contradict each other on the view
    QUALITY_CONTROL = "quality_control"
    MULTI_FRAME = "multi_frame"
    COLOUR = "colour"
    VETERINARY = "veterinary"
    DERIVED = "derived"  # bones suppressed or energies subtracted: not the radiograph itself
    AGE_OUT_OF_RANGE = "age_out_of_range"
    PIXELS_UNCHANGED = "pixels_unchanged"  # resent with another header; the same picture has its answer
    PATIENT_CHANGED = "patient_changed"  # the same, and the header names another patient
    REJECTION_NOTE = "rejection_note"  # a Key Object Selection that rejects images (IHE IOCM)
    REJECTED = "rejected"  # a rejection note names the image; an answer that it had is withdrawn
    # failed: an answer was due and cannot be given
    UNDECODABLE = "undecodable"  # the pixels, or the data set itself, cannot be read
    FILE_MISSING = "file_missing"  # the store does not have the received file; a person ends the waiting
    TOO_LARGE = "too_large"  # more pixels than `select.max_megapixels`, or more memory than may be used
    NO_PIXELS = "no_pixels"
    POISON = "poison"  # this image ended its sandbox more than once
    INTERNAL_ERROR = "internal_error"  # a bug; the traceback is in the log
    NOT_DELIVERED = "not_delivered"  # a destination did not take the results in time
    NOT_ROUTED = "not_routed"  # answered, but no route says where its results go


class Presence(StrEnum):
    """Presence of the finding, by the model's answer."""

    PRESENT = "present"
    ABSENT = "absent"  # of the finding: no model judges that a chest is normal
    UNDETERMINED = "undetermined"  # the model abstains; `Prediction.reason` says why


UNDETERMINED = "Undetermined"
"""The label of an abstention, whatever a model calls its classes."""


class Stage(StrEnum):
    """Stages of the data path whose time is taken, and the whole of it."""

    RECEIVE = "receive"  # checked, hashed, fsynced
    DECODE = "decode"  # selected, decoded, resized
    INFER = "infer"  # the forward pass of its batch
    ENCODE = "encode"  # SR and SC
    ANSWER = "answer"  # from the reception to the first answer
    DELIVER = "deliver"  # from the answer until a destination has the result
