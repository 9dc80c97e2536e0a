"""`gateway reprocess` says what will come of it: nothing new, another answer, or not the one meant."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.errors import GatewayError
from gateway.records import ModelIdentity, State
from gateway.settings import Settings
from gateway.store.schema import answers, instances
from gateway.store.workers import Workers
from gateway.web.api.health import STAND_IN, engines_of
from gateway.web.site import Site
from gateway.worker.answering import answering_of, configuration_hash
from gateway.worker.inference import open_predictor
from gateway.worker.reprocess import reprocess
from tests.support.site import add_answer


@cache
def model() -> ModelIdentity:
    """Return the identity of the shipped model; to open it takes a second."""
    return open_predictor(Settings()).identity


def answered(site: Site, **differently: Any) -> tuple[str, dict[str, Any]]:
    """Answer an image; return its UID, and what an answer would now depend on."""
    uid = add_answer(site, 1).sop_instance_uid
    present = answering_of(site.settings, model())
    with site.ledger.transaction() as connection:
        connection.execute(sa.update(instances).values(state=State.DELIVERED))
        configuration = configuration_hash(present | differently)
        connection.execute(sa.update(answers).values(configuration=configuration))
    return uid, present


def ask(site: Site, uid: str) -> str:
    return reprocess(site.settings, site.ledger, site.images.versions(uid), model())


def state(site: Site, uid: str) -> str:
    return str(site.images.versions(uid)[0].state)


def test_the_same_answer_is_not_given_twice(site: Site) -> None:
    uid, present = answered(site)
    Workers(site.ledger).beat("here-1", "life", present)
    assert ask(site, uid) == "has its answer by this model, configuration and revision; nothing to do"
    assert state(site, uid) == State.DELIVERED


@pytest.mark.parametrize(
    "differently",
    [
        {"software_version": "0.1.0+0123456789ab"},
        {"threshold": 0.123},
        {"abstention": "none"},
        {"engine": "another engine"},
        {"calibration": "temperature 2"},
        {"version": "0.9"},
        {"report": "comprehensive"},
    ],
    ids=lambda differently: next(iter(differently)),
)
def test_whatever_may_change_an_answer_lets_it_be_given_again(
    site: Site, differently: dict[str, Any]
) -> None:
    uid, present = answered(site, **differently)
    Workers(site.ledger).beat("here-1", "life", present)
    assert ask(site, uid) == "is answered again"
    assert state(site, uid) == State.RECEIVED


def test_a_worker_with_other_settings_is_named_and_nothing_is_begun(site: Site) -> None:
    uid, present = answered(site)
    Workers(site.ledger).beat("here-1", "life", present | {"threshold": 0.9, "software_version": "0.1.0+old"})
    with pytest.raises(GatewayError) as refused:
        ask(site, uid)
    assert str(refused.value) == (
        f"{uid}: a running worker answers with threshold 0.9, not {present['threshold']}, software version "
        f"0.1.0+old, not {present['software_version']} of this command; restart the gateway with these "
        "settings first"
    )
    assert state(site, uid) == State.DELIVERED


def test_without_a_worker_it_says_so(site: Site) -> None:
    uid, present = answered(site, threshold=0.123)
    Workers(site.ledger).beat("here-1", "life", present)
    Workers(site.ledger).beat("here-1", "life")  # it stops
    assert ask(site, uid) == "is answered again once a worker runs"


def test_health_names_the_engines_of_the_workers(site: Site) -> None:
    _, present = answered(site)
    assert engines_of(site) == ""
    Workers(site.ledger).beat("here-1", "life", present | {"engine": "OpenVINO float32"})
    assert engines_of(site) == " by OpenVINO float32"
    Workers(site.ledger).beat("here-1", "life", present | {"engine": STAND_IN})
    assert engines_of(site) == " by PyTorch float32 in the place of OpenVINO: see gateway doctor"
