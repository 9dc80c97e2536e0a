"""`gateway reprocess`: another model or configuration answers an image again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.errors import GatewayError
from gateway.pipeline import configuration_hash, open_predictor
from gateway.records import State
from gateway.settings import Settings
from gateway.store.again import Again
from gateway.store.ledger import Ledger


def reprocess(settings: Settings, ledger: Ledger, versions: Sequence[dict[str, Any]]) -> bool:
    """Queue the image for another answer; False where model and configuration are those that answered.

    Parameters
    ----------
    versions
        Of the image, as `Inquiry.instance` returns them.

    Raises
    ------
    GatewayError
        If its first answer is still to come.
    ConfigurationError
        If the model cannot be opened.
    """
    instance = next((version for version in versions if version["answer"]), versions[0])
    uid = instance["sop_instance_uid"]
    if instance["state"] == State.RECEIVED:
        raise GatewayError(f"{uid}: waits for its answer already")
    answer = instance["answer"]
    if answer and (answer["model"]["device_uid"], answer["configuration"]) == _present(settings):
        return False
    Again(ledger).reprocess(uid)
    return True


def _present(settings: Settings) -> tuple[str, str]:
    return open_predictor(settings).identity.device_uid, configuration_hash(settings)
