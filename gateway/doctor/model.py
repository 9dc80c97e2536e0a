"""Checks the model: card, weights, one prediction and its time, and whether the workers that run use it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.errors import ConfigurationError, GatewayError
from gateway.records import ModelIdentity
from gateway.settings import Settings
from gateway.store.opening import look_into_database

if TYPE_CHECKING:
    from gateway.remote.predictor import RemotePredictor

SLOW_SECONDS = 1.0  # the target for a whole answer


def model(settings: Settings) -> Iterator[Finding]:
    """Yield the findings on the model after two predictions of a grey square."""
    from gateway.remote.predictor import RemotePredictor
    from gateway.worker.inference import open_predictor

    try:
        predictor = open_predictor(settings)
    except ConfigurationError as error:
        yield wrong("model", str(error), "here: model.path, model.profile and model.device")
        return
    if isinstance(predictor, RemotePredictor):
        yield from _servers(predictor)
        if predictor.problem:
            return
    square = np.zeros((1, 3, 224, 224), np.float32)
    predictor.predict(square)  # the first pass is several times as slow
    start = time.perf_counter()
    predictor.predict(square)
    seconds = time.perf_counter() - start
    identity = predictor.identity
    site = f"fitted to {identity.site.name}" if identity.site else "not fitted to this site"
    text = (
        f"{identity.name} {identity.version} answers in {1000 * seconds:.0f} ms by {identity.engine}, {site}"
    )
    if seconds > SLOW_SECONDS:
        yield doubtful("model", text, "here: model.device: cuda, more cores, or fewer other programs")
    else:
        yield good("model", text)
    yield from _workers(settings, identity)
    if predictor.notice:
        yield doubtful(
            "engine",
            predictor.notice,
            "here: gateway model check; model.engine: torch or model.precision: float32 accepts it",
        )
    if predictor.card.abstention is None:
        yield doubtful("model", "it never abstains: its card has no limits", "here: a model with abstention")


def _workers(settings: Settings, identity: ModelIdentity) -> Iterator[Finding]:
    """Yield how workers that run answer otherwise: they have read settings and files when they began."""
    from gateway.store.workers import Workers
    from gateway.worker.answering import answering_of
    from gateway.worker.reprocess import difference
    from gateway.worker.worker_id import SILENT_SECONDS

    try:
        engine, ledger = look_into_database(settings)
    except GatewayError:  # the check of the database says why
        return
    try:
        running = Workers(ledger).answering(SILENT_SECONDS)
    except GatewayError:
        return
    finally:
        engine.dispose()
    wanted = answering_of(settings, identity)
    # another host may have another engine, and a restart would not change it
    told = {difference(worker | {"engine": identity.engine}, wanted) for worker in running}
    for each in sorted(told - {""}):
        yield doubtful(
            "model", f"a running worker answers with {each} of these settings", "here: restart the gateway"
        )


def _servers(predictor: RemotePredictor) -> Iterator[Finding]:
    """Yield a finding on each model server: whether it gives the reference answers."""
    predictor.look_after()
    for url, engine, problem in predictor.servers():
        if engine:
            yield good("model server", f"{url} gives the reference answers: {engine}")
        else:
            advice = "here: model.urls, names, ca, bearer_token; there: its log, and the models that it holds"
            yield wrong("model server", f"{url} answers no image: {problem}", advice)
