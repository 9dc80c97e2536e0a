"""Opens the configured model by its servers: what this side must know of it, and a `Replica` for each URL.

`worker.pipeline.open_predictor` calls it. No server need be there: the worker proves them before they answer.
"""

from __future__ import annotations

import numpy as np

from gateway.errors import ConfigurationError
from gateway.model.card import ModelCard
from gateway.model.choice import Chosen, Weighed
from gateway.model.predictor import SHIPPED, Predictor, read_model, stated
from gateway.model.profile import SiteProfile, read_profile
from gateway.model.reference import Reference, Unproven, read_reference
from gateway.remote.contract import classifier, lung_network
from gateway.remote.over_http import HttpTransport
from gateway.remote.predictor import RemotePredictor
from gateway.remote.proof import ProvenEngine, RemoteModel
from gateway.remote.replica import Replica
from gateway.remote.server import Transport
from gateway.settings import Model
from gateway.settings.web_server import WebServer


def open_remote(settings: Model) -> RemotePredictor:
    """Return the predictor of the settings' servers.

    Raises
    ------
    ConfigurationError
        The card, the weights or the profile are missing or unsuitable, the model has no reference answers, or
        the protocol needs a package that is not installed.
    """
    card, weighed = read_model(settings.path or SHIPPED)
    site = None if settings.profile is None else read_profile(settings.profile, card)
    fitted, threshold, identity = stated(card, site, settings.threshold)
    model = _remote_model(settings, fitted, weighed, site)

    def open_predictor(engine: ProvenEngine) -> Predictor:
        return Predictor(Chosen(model.opened(engine), None), fitted, threshold, identity)

    replicas = [
        Replica(url, _transport(settings, url), model, open_predictor) for url in dict.fromkeys(settings.urls)
    ]
    unproven = fitted.identity(threshold, f"model server {model.precision}", identity)
    return RemotePredictor(
        replicas, fitted, unproven, settings.images_per_request, settings.requests_per_server
    )


def _remote_model(
    settings: Model, card: ModelCard, weighed: Weighed, site: SiteProfile | None
) -> RemoteModel:
    state = weighed.state if site is None else site.fit(weighed.state)
    return RemoteModel(
        card=card,
        classifier=classifier(settings.classifier_name),
        lungs=lung_network(settings.lungs_name) if weighed.lungs else None,
        cut=weighed.lungs,
        detector=weighed.detector,
        biases=state["fc.bias"].astype(np.float32),
        expected=_expected(weighed, site),
        precision="bfloat16" if settings.precision == "bfloat16" else "float32",
    )


def _expected(weighed: Weighed, site: SiteProfile | None) -> Reference:
    """Return the reference answers: with a profile the classifier's are those of the profile."""
    try:
        shipped = read_reference(weighed.folder, weighed.hashes)
    except Unproven as error:
        raise ConfigurationError(f"model.kind: a model server cannot be proven: {error}") from error
    return shipped if site is None else Reference(site.reference, shipped.lungs)


def _transport(settings: Model, url: str) -> Transport:
    server = WebServer(
        url=url.rstrip("/"),
        bearer_token=settings.bearer_token,
        ca=settings.ca,
        certificate=settings.certificate,
        key=settings.key,
        timeout_seconds=settings.timeout_seconds,
    )
    if settings.protocol == "grpc":
        from gateway.remote.over_grpc import GrpcTransport  # an optional extra

        return GrpcTransport(server, settings.model_version)
    return HttpTransport(server, settings.model_version)
