"""`gateway reprocess`: another model, configuration or revision answers an image again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.errors import GatewayError
from gateway.records import ModelIdentity, Reason, State
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.queries.views import ImageView
from gateway.store.requeue import Requeue
from gateway.store.workers import Workers
from gateway.worker.answering import PROBLEM, answering_of, configuration_hash
from gateway.worker.worker_id import SILENT_SECONDS


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
    image = next((version for version in versions if version.answer), versions[0])
    uid = image.sop_instance_uid
    if image.state is State.RECEIVED:
        raise GatewayError(f"{uid}: waits for its answer already")
    wanted = answering_of(settings, model)
    if image.reason == Reason.REJECTED:
        raise GatewayError(f"{uid}: {image.detail}; it gets no answer any more")
    workers = Workers(ledger).answering(SILENT_SECONDS)
    for worker in workers:
        if {name: value for name, value in worker.items() if name != PROBLEM} != wanted:
            raise GatewayError(
                f"{uid}: a running worker answers with {_difference(worker, wanted)} of this command; "
                "restart the gateway with these settings first"
            )
    by_scanner = answering_of(settings, model.for_scanner(image.scanner or ""))
    if image.answer and image.answer.configuration == configuration_hash(by_scanner):
        return "has its answer by this model, configuration and revision; nothing to do"
    Requeue(ledger).reprocess(uid)
    return "is answered again" if workers else "is answered again once a worker runs"


def _difference(worker: dict[str, Any], wanted: dict[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {worker.get(name)}, not {value}"
        for name, value in wanted.items()
        if worker.get(name) != value
    )
