"""`gateway reprocess`: another model, configuration or revision answers images again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError
from gateway.records import ModelIdentity, Reason, State
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.queries.images import Images
from gateway.store.queries.views import ImageView
from gateway.store.requeue import Requeue
from gateway.store.workers import Workers
from gateway.worker.answering import PROBLEM, answering_of, configuration_hash
from gateway.worker.worker_id import SILENT_SECONDS


@dataclass(frozen=True, slots=True)
class Reprocessed:
    """The outcome of `reprocess_all` for its images, each counted once; `gateway reprocess` prints it.

    Attributes
    ----------
    again
        How many are answered again.
    same
        How many have the answer that would come.
    problems
        Why the others are not answered again, a sentence for each.
    worker_runs
        Whether a worker runs that answers them.
    """

    again: int
    same: int
    problems: tuple[str, ...]
    worker_runs: bool


def reprocess(settings: Settings, ledger: Ledger, versions: Sequence[ImageView], model: ModelIdentity) -> str:
    """Queue the image for another answer, unless it has the one that would come; say which of the two.

    Parameters
    ----------
    versions
        Of the image, as `Images.versions` returns them.
    model
        The model of these settings.

    Raises
    ------
    GatewayError
        If its first answer is still to come, if it was rejected, or if the workers that run would answer
        otherwise than these settings say.
    """
    image = _answerable(versions)
    wanted = answering_of(settings, model)
    workers = _workers(ledger, wanted, f"{image.sop_instance_uid}: ")
    if not _begin(settings, ledger, image, model):
        return "has its answer by this model, configuration and revision; nothing to do"
    return "is answered again" if workers else "is answered again once a worker runs"


def reprocess_all(
    settings: Settings, ledger: Ledger, uids: Iterable[str], model: ModelIdentity
) -> Reprocessed:
    """Queue every image for another answer, each by itself, unless it has the one that would come.

    Raises
    ------
    GatewayError
        Before the first image, if the workers that run would answer otherwise than these settings say.
    """
    workers = _workers(ledger, answering_of(settings, model))
    images = Images(ledger)
    begun: list[bool] = []
    problems: list[str] = []
    for uid in uids:
        try:
            begun.append(_begin(settings, ledger, _answerable(images.versions(uid)), model))
        except GatewayError as problem:
            problems.append(str(problem))
    return Reprocessed(begun.count(True), begun.count(False), tuple(problems), worker_runs=bool(workers))


def _answerable(versions: Sequence[ImageView]) -> ImageView:
    """Return the version that has an answer, else the newest."""
    image = next((version for version in versions if version.answer), versions[0])
    uid = image.sop_instance_uid
    if image.state is State.RECEIVED:
        raise GatewayError(f"{uid}: waits for its answer already")
    if image.reason == Reason.REJECTED:
        raise GatewayError(f"{uid}: {image.detail}; it gets no answer any more")
    return image


def _workers(ledger: Ledger, wanted: dict[str, Any], which: str = "") -> list[dict[str, Any]]:
    """Return how the workers that run answer; all of them as wanted."""
    workers = Workers(ledger).answering(SILENT_SECONDS)
    for worker in workers:
        if {name: value for name, value in worker.items() if name != PROBLEM} != wanted:
            raise GatewayError(
                f"{which}a running worker answers with {difference(worker, wanted)} of this command; "
                "restart the gateway with these settings first"
            )
    return workers


def _begin(settings: Settings, ledger: Ledger, image: ImageView, model: ModelIdentity) -> bool:
    """Queue the image, unless it has the answer that would come; tell whether it is queued."""
    by_scanner = answering_of(settings, model.for_scanner(image.scanner or ""))
    if image.answer and image.answer.configuration == configuration_hash(by_scanner):
        return False
    Requeue(ledger).reprocess(image.sop_instance_uid)
    return True


def difference(worker: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return in words what a running worker answers with, and not as wanted; empty where nothing is."""
    return ", ".join(
        f"{name.replace('_', ' ')} {worker.get(name, 'none')}, not {wanted.get(name, 'none')}"
        for name in wanted | worker
        if name != PROBLEM and worker.get(name) != wanted.get(name)
    )
