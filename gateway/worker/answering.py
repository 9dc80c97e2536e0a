"""Inputs of an answer besides the image: model, limits, kind of report, software."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from gateway.records import ModelIdentity
from gateway.results.result import ResultRules
from gateway.settings import Settings
from gateway.worker.revision import SOFTWARE_VERSION

PROBLEM = "problem"
"""Key beside those of `answering_of`, in a worker's heartbeat: why it answers no image now."""


def answering_of(settings: Settings, model: ModelIdentity) -> dict[str, Any]:
    """Return everything by which two answers to one image may differ, as JSON keeps it.

    Parts that a model lacks and settings that are off have no key: such answers are as in earlier versions.
    """
    stated = {name: value for name, value in asdict(model).items() if value is not None}
    stated |= {"report": settings.results.sr, "software_version": SOFTWARE_VERSION}
    stated |= {"site": str(model.site)} if model.site else {}
    if settings.results.compression != "none":
        stated["compression"] = settings.results.compression
    for name in ("hl7", "fhir"):
        section = getattr(settings.results, name)
        stated |= {} if section is None else {name: section.model_dump()}
    for name in ("lung_outline", "presentation_state"):
        stated |= {name: True} if getattr(settings.results, name) else {}
    return stated


def configuration_hash(answering: dict[str, Any]) -> str:
    """Return the hash of `answering_of`: part of a result's UID."""
    return hashlib.sha256(json.dumps(answering, sort_keys=True).encode()).hexdigest()


def result_rules(settings: Settings) -> ResultRules:
    """Return what ENCODE needs to know of the settings."""
    return ResultRules.of(settings.results.model_dump())
