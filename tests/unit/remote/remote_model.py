"""A predictor whose servers hold networks that cost nothing, with their own answers as the reference."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from gateway.model.card import LungNetwork, ModelCard, Weights
from gateway.model.choice import Chosen
from gateway.model.opened_model import OpenedModel
from gateway.model.predictor import Predictor
from gateway.model.reference import Reference, reference_answers
from gateway.records import Prediction
from gateway.remote.contract import classifier, lung_network
from gateway.remote.over_http import HttpTransport
from gateway.remote.predictor import RemotePredictor
from gateway.remote.proof import RemoteModel
from gateway.remote.replica import Replica
from gateway.settings.web_server import WebServer
from tests.support.model_server import FakeNetworks

LUNGS = LungNetwork(file="lungs", sha256="1" * 64)
CARD = ModelCard(name="fake", version="1", weights=Weights(file="weights", sha256="0" * 64), lungs=LUNGS)


@cache
def expected() -> Reference:
    return reference_answers(OpenedModel(FakeNetworks(), None, LUNGS))


def remote_model(precision: str = "float32") -> RemoteModel:
    biases = np.zeros(2, np.float32)
    return RemoteModel(CARD, classifier(), lung_network(), LUNGS, None, biases, expected(), precision)


def predictor_of(
    *urls: str, per_request: int = 8, seconds: float = 60, transport: Any = HttpTransport, **server: Any
) -> RemotePredictor:
    """Return a predictor of these servers."""
    model = remote_model()

    def opened(engine: Any) -> Predictor:
        return Predictor(Chosen(model.opened(engine), None), CARD, 0.5)

    replicas = [
        Replica(url, transport(WebServer(url=url, timeout_seconds=seconds, **server)), model, opened)
        for url in urls
    ]
    identity = replace(CARD.identity(0.5, "model server float32"))
    return RemotePredictor(replicas, CARD, identity, per_request, 2)


def images(count: int, seed: int = 0) -> Any:
    """Return inputs of different brightness, float32 (count, 3, 224, 224)."""
    grey = np.linspace(-0.5, 0.5, count, dtype=np.float32) + np.float32(0.001 * seed)
    return np.ascontiguousarray(np.broadcast_to(grey[:, None, None, None], (count, 3, 224, 224)))


def local(given: Any) -> list[float]:
    """Return the scores of the same networks on this side."""
    predictor = Predictor(Chosen(OpenedModel(FakeNetworks(), None, LUNGS), None), CARD, 0.5)
    return [each.score for each in predictor.predict(given)]


def outcomes(told: list[Any]) -> list[str]:
    return ["answered" if isinstance(each, Prediction) else type(each).__name__ for each in told]
