"""Every event of the gateway: names of log lines and of an image's history.

`log_event` writes one to the log; a store session (`gateway.store.session`) writes one to the history of an
image, to the log and to the audit trail. Operators rely on the names: a name never changes its meaning.
`docs/operations/watch.md` lists the same table; a test compares both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Level(StrEnum):
    """Urgency of an event."""

    INFO = "info"  # the course of things
    WARNING = "warning"  # nothing is lost; somebody should look if it goes on
    ERROR = "error"  # an image, a result or a part of the gateway needs somebody


INFO, WARNING, ERROR = Level


class Event(StrEnum):
    """The events, each with its level and its meaning."""

    level: Level
    meaning: str

    def __new__(cls, name: str, level: Level = INFO, meaning: str = "") -> Self:
        """Make a member whose value is the name alone; type checkers see `Event(name)` as this call, too."""
        event = str.__new__(cls, name)
        event._value_ = name
        event.level = level
        event.meaning = meaning
        return event

    # an image and its answer
    RECEIVED = "received", INFO, "an image is on disk and in the database; its sender is told so"
    REFUSED = "refused", WARNING, "an image was not accepted; its sender was told status and reason"
    INELIGIBLE = "ineligible", INFO, "no answer is due for an image, for the reason given"
    INFERRED = "inferred", INFO, "an image has its answer"
    ENCODED = "encoded", INFO, "a result of an image is on disk"
    FAILED = "failed", ERROR, "an answer was due and cannot be given, for the reason given"
    RETRIED = "retried", INFO, "`gateway retry` or the report page requeued a failed image"
    RESENT = "resent", INFO, "`gateway resend` requeued the results of an image"
    BULK_RETRIED = "bulk_retried", INFO, "an administrator had the failed images of a search begin anew"
    BULK_RESENT = "bulk_resent", INFO, "an administrator had the results of many images sent again"
    REPROCESSED = "reprocessed", INFO, "`gateway reprocess` requeued an image for a new answer"
    FEEDBACK = "feedback", INFO, "a reader agreed or disagreed with an answer"
    NOT_REPORTED = "not_reported", WARNING, "no SR can be made of a reader's feedback, for the reason given"
    WITHDRAWN = "withdrawn", WARNING, "a rejection note has withdrawn an image and its answer"
    PATIENT_CHANGED = (
        "patient_changed",
        WARNING,
        "an answered image came again with the same picture and another patient",
    )
    FILE_MISSING = "file_missing", ERROR, "the store does not have an image's file: the image waits for it"
    ORPHANS_DELETED = "orphans_deleted", INFO, "objects that no row names were deleted from a store"
    DELETED = "deleted", INFO, "retention deleted files of an image"

    ROUTE_UNCLEAR = (
        "route_unclear",
        WARNING,
        "the condition of a route cannot be judged for an image, and counts as not holding",
    )

    # a result and its destination
    DELIVERED = "delivered", INFO, "a destination has a result"
    DELIVERY_FAILED = "delivery_failed", WARNING, "an attempt to deliver a result failed; it is tried again"
    DEAD_LETTERED = (
        "dead_lettered",
        ERROR,
        "a result was refused for good, or given up; `gateway retry` requeues it",
    )
    COMMITTED = "committed", INFO, "a destination has promised to keep a result"
    COMMITMENT_FAILED = (
        "commitment_failed",
        WARNING,
        "a destination does not keep a result, which is sent again",
    )
    COMMITMENT_REFUSED = "commitment_refused", WARNING, "a Storage Commitment report cannot be read"
    COMMITMENT_UNMATCHED = (
        "commitment_unmatched",
        WARNING,
        "a Storage Commitment report belongs to no open request, or is on other objects",
    )
    DELIVERY_HANGS = "delivery_hangs", ERROR, "a delivery takes longer than three timeouts"
    COURIER_DIED = "courier_died", ERROR, "the thread of a destination has ended; another one replaces it"
    COURIER_REPLACED = "courier_replaced", WARNING, "a destination has a new thread"

    # a source and its studies
    SOURCE_SEARCHED = "source_searched", INFO, "a source was searched: studies, and how many are due"
    SEARCH_CUT = "search_cut", WARNING, "a source cuts its answer, and the search cannot be divided"
    STUDY_COMPLETE = "study_complete", INFO, "every instance that the source listed of a study is here"
    STUDY_PARTIAL = "study_partial", WARNING, "instances of a study are missing; it is asked for again later"
    STUDY_GIVEN_UP = (
        "study_given_up",
        ERROR,
        "instances of a study are missing after all attempts; `gateway pull --show` names them",
    )
    STUDY_ASKED_AGAIN = "study_asked_again", INFO, "an administrator has a study of a source asked for again"
    SOURCE_AWAY = "source_away", WARNING, "a source takes no requests now; it is asked again later"

    # peers
    ASSOCIATION_OPENED = "association_opened", INFO, "a peer has an association, with titles and address"
    ASSOCIATION_REJECTED = (
        "association_rejected",
        WARNING,
        "a peer was turned away; equal ones are counted once a minute (`repeated`)",
    )
    ASSOCIATION_ABORTED = (
        "association_aborted",
        WARNING,
        "an association ended early, with the cause; equal ones are counted once a minute",
    )
    REQUEST_REFUSED = (
        "request_refused",
        WARNING,
        "the web port got a request that is not HTTP/1.1; equal ones are counted once a minute",
    )
    CONNECTION_DROPPED = (
        "connection_dropped",
        WARNING,
        "a web client kept the server waiting, or found no room; equal ones are counted once a minute",
    )
    VIEWED = "viewed", INFO, "a reader opened the report of an image"
    EXPORTED = "exported", INFO, "a reader downloaded an object, or the feedback was written as CSV"
    SIGN_IN_REFUSED = "sign_in_refused", WARNING, "somebody showed a wrong password or token"

    # the gateway itself
    STARTED = "started", INFO, "a role serves"
    READY = "ready", INFO, "the gateway serves"
    STOPPED = "stopped", INFO, "a role, or the gateway, has ended in order"
    ROLE_DIED = "role_died", ERROR, "a role has ended and is started again"
    ROLE_HANGS = "role_hangs", ERROR, "a role was silent for too long; it is killed and started again"
    ROLE_NOT_STARTED = "role_not_started", ERROR, "a role cannot be started now; the supervisor tries again"
    THREAD_FAILED = "thread_failed", ERROR, "a thread has ended or hangs: its role is started again"
    WORKER_HANGS = "worker_hangs", ERROR, "a forward pass does not end: its worker is started again"
    SANDBOX_ENDED = "sandbox_ended", WARNING, "a sandbox ended or hung with an image in hand"
    NAME_TAKEN = "name_taken", ERROR, "a silent worker lost its name to another, and is restarted"
    TAKEN_OVER = "taken_over", WARNING, "a worker took over the work of a silent one"
    RESUMED = "resumed", WARNING, "a worker resumed batches whose end could not be written"
    DATABASE_MADE = "database_made", WARNING, "a first start: no database was there, an empty one was made"
    WAITING = "waiting", WARNING, "work waits for the database, a store or a disk, and goes on by itself"
    ENGINE_UNPROVEN = (
        "engine_unproven",
        WARNING,
        "another engine or precision answers: the first one differs from the model's reference answers",
    )
    MODEL_SERVER_PROVEN = (
        "model_server_proven",
        INFO,
        "a model server gives the model's reference answers: it answers images",
    )
    MODEL_SERVER_AWAY = (
        "model_server_away",
        WARNING,
        "a model server does not answer: images go to another, or wait",
    )
    MODEL_SERVER_REFUSED = (
        "model_server_refused",
        ERROR,
        "a model server holds another model, or refuses requests: it answers no image",
    )
    FOLDER_AWAY = (
        "folder_away",
        ERROR,
        "a store of images or results is away or not the ledger's: its work waits",
    )
    CLOCK_SET_BACK = "clock_set_back", WARNING, "the clock was set back: what waited is due at once"
    CLOCK_AHEAD = (
        "clock_ahead",
        WARNING,
        "the clock was set ahead, or the gateway was off: for a day nothing is deleted by its age",
    )
    CERTIFICATE_RELOADED = (
        "certificate_reloaded",
        INFO,
        "a renewed certificate counts from the next connection",
    )
    CERTIFICATE_NOT_RELOADED = (
        "certificate_not_reloaded",
        ERROR,
        "a renewed certificate cannot be used: the former one stays",
    )
    AUDIT_WAITING = "audit_waiting", WARNING, "the audit repository is away; the files keep the entries"
    AUDIT_CAUGHT_UP = "audit_caught_up", INFO, "the audit repository has every entry again"
    AUDIT_FAILED = "audit_failed", ERROR, "an audit entry could not be written"
    LOG_LINES_DROPPED = "log_lines_dropped", ERROR, "lines are missing: the disk took none for too long"
    BUG = "bug", ERROR, "a defect of the gateway, with its traceback: please report it"
