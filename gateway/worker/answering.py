"""Inputs of an answer besides the image: model, limits, kind of report, software."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from gateway.records import ModelIdentity
from gateway.results.result import ResultRules
from gateway.settings import Results, Settings
from gateway.worker.revision import SOFTWARE_VERSION

PROBLEM = "problem"
"""Key beside those of `answering_of`, in a worker's heartbeat: why it answers no image now."""


def answering_of(settings: Settings, model: ModelIdentity) -> dict[str, Any]:
    """Return everything by which two answers to one image, or their results, may differ, as JSON keeps it.

    Parts that a model lacks and settings with their defaults have no key: such answers are as in earlier
    versions.
    """
    stated = {name: value for name, value in asdict(model).items() if value is not None}
    stated |= {"report": settings.results.sr, "software_version": SOFTWARE_VERSION}
    stated |= {"site": str(model.site)} if model.site else {}
    return stated | _chosen(settings.results)


def _chosen(results: Results) -> dict[str, Any]:
    """Return the settings of results that are not the defaults; `report` has the class of the SR."""
    present, default = (each.model_dump(mode="json", exclude={"sr"}) for each in (results, Results()))
    if not results.draws_pages:
        del present["pdf_fonts"]
    return {name: value for name, value in present.items() if value != default[name]}


def configuration_hash(answering: dict[str, Any]) -> str:
    """Return the hash of `answering_of`: part of a result's UID."""
    return hashlib.sha256(json.dumps(answering, sort_keys=True).encode()).hexdigest()


def result_rules(settings: Settings) -> ResultRules:
    """Return what ENCODE needs to know of the settings."""
    return ResultRules.of(settings.results.model_dump())
