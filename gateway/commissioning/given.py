"""The images that a person gives: a folder, a list of SOP Instance UIDs, or the readers' feedback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError, Missing
from gateway.files.folders import find_files
from gateway.store.ledger import Ledger
from gateway.store.queries.feedback import FeedbackQueries
from gateway.store.queries.images import Images
from gateway.store.rejections import rejected

FEEDBACK = "feedback"
LIST_SUFFIX = ".txt"

NEVER_RECEIVED = "no image with this SOP Instance UID was received"
DELETED = "its file was deleted (retention.received_days); send the image again"


@dataclass(frozen=True, slots=True)
class Given:
    """An image that was given.

    Attributes
    ----------
    name
        Its file name or SOP Instance UID, as a person knows it.
    unfit
        Why the gateway's ledger forbids its use; empty where nothing does.
    """

    name: str
    path: Path
    unfit: str = ""


Fetch = Callable[[Ledger, Path], None]
"""Makes a received file readable at its path; `Missing` where it is gone."""


def given_images(
    source: str, open_ledger: Callable[[], Ledger], fetch: Fetch, *, sick: bool = False
) -> list[Given]:
    """Return the images of a source.

    Parameters
    ----------
    source
        A folder of DICOM, PNG or JPEG files; a file `*.txt` with one SOP Instance UID of a kept image a line;
        or `feedback`.
    open_ledger
        Opens the ledger; called for a list and for feedback.
    fetch
        Called for each image of a list or of feedback.
    sick
        Of feedback: the images in which readers see the finding, instead of those in which they see none.

    Raises
    ------
    GatewayError
        The source does not exist, cannot be read or is empty, or the gateway does not keep all images of a
        list. Of feedback, which nobody can shorten, such images are unfit.
    """
    if source == FEEDBACK:
        ledger = open_ledger()
        judged = judged_images(ledger, sick=sick)
        if not judged:
            seen = "the finding" if sick else "none"
            raise GatewayError(f"{FEEDBACK}: in no image do all readers with a clear opinion see {seen}")
        return received_images(ledger, fetch, judged)
    path = Path(source)
    if source and path.is_dir():
        return [Given(str(each), each) for each in find_files([path])]
    if path.suffix == LIST_SUFFIX and path.is_file():
        uids = listed_uids(path)
        return kept_images(received_images(open_ledger(), fetch, uids))
    raise GatewayError(
        f"{source}: give a folder of images, a file *.txt with one SOP Instance UID a line, or {FEEDBACK}"
    )


def listed_uids(file: Path) -> list[str]:
    """Return the lines of a list that are not empty.

    Raises
    ------
    GatewayError
        The file cannot be read, is no UTF-8 text, or is empty.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise GatewayError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise GatewayError(f"{file}: no UTF-8 text; save it as UTF-8, one SOP Instance UID a line") from None
    uids = [line.strip() for line in lines if line.strip()]
    if not uids:
        raise GatewayError(f"{file}: empty; write one SOP Instance UID a line")
    return uids


def received_images(ledger: Ledger, fetch: Fetch, uids: Sequence[str]) -> list[Given]:
    """Return each image once; unfit where it was never received, was rejected, or its file is gone."""
    images, uids = Images(ledger), list(dict.fromkeys(uids))
    with ledger.transaction() as connection:
        why = rejected(connection, uids)
    return [_received(images, ledger, fetch, uid, why.get(uid, "")) for uid in uids]


def _received(images: Images, ledger: Ledger, fetch: Fetch, uid: str, unfit: str) -> Given:
    source = images.source_of(uid)
    if source is None:
        return Given(uid, Path(), NEVER_RECEIVED)
    try:
        if source.deleted_at:
            raise Missing(uid)
        fetch(ledger, source.path)
    except Missing:
        unfit = unfit or DELETED
    return Given(uid, source.path, unfit)


def kept_images(given: Sequence[Given]) -> list[Given]:
    """Return the images of a list, of which the gateway must keep every one.

    Raises
    ------
    GatewayError
        Images were never received, or their files were deleted; all are named, one line each.
    """
    problems = [f"{each.name}: {each.unfit}" for each in given if each.unfit in (NEVER_RECEIVED, DELETED)]
    if problems:
        raise GatewayError("\n".join(problems))
    return list(given)


def judged_images(ledger: Ledger, *, sick: bool) -> list[str]:
    """Return the SOP Instance UIDs of images in which every reader with a clear opinion says the same."""
    said: dict[str, set[bool]] = {}
    for each in FeedbackQueries(ledger).standing():
        if each.finds is not None:
            said.setdefault(each.sop_instance_uid, set()).add(each.finds)
    return [uid for uid, opinions in said.items() if opinions == {sick}]
