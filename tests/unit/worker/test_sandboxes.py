"""Sandboxes of a worker: an image that ends them is poison, one that had bad luck is not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from gateway.errors import ConfigurationError, Retry
from gateway.sandbox.process import Lost, Sandbox
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.stores import open_stores
from gateway.worker.ends import End
from gateway.worker.sandboxes import DEATHS, ImageSandbox, ImageSandboxes, open_stages
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.ledger_rows import claim
from tests.support.page_cache import is_in_page_cache
from tests.support.worker import FakePredictor, receive, settings_in


@pytest.fixture
def sandbox(ledger: Ledger, tmp_path: Path) -> Iterator[ImageSandbox]:
    settings, models = settings_in(tmp_path), (FakePredictor().identity,)
    sandbox = ImageSandbox(
        Sandbox("tests", open_stages, settings, models, open_stores(settings, ledger).results.shelf, 2)
    )
    yield sandbox
    sandbox.close()


def received(ledger: Ledger, folder: Path, number: int = 1) -> StoredInstance:
    receive(ledger, folder, number)
    return claim(ledger, f"batch {number}")[0]


def prepare(sandbox: ImageSandbox, instance: StoredInstance) -> np.ndarray[Any, Any]:
    tensor = sandbox.prepare(instance).result(PATIENCE_SECONDS)
    assert isinstance(tensor, np.ndarray)
    return tensor


def encode(sandbox: ImageSandbox, instance: StoredInstance, tensor: np.ndarray[Any, Any]) -> int:
    """Return how many results there are."""
    predictions = FakePredictor().predict(tensor[None])
    settled = sandbox.encode(instance, predictions).result(PATIENCE_SECONDS)
    assert isinstance(settled.outcome, tuple)
    assert all(result.path.exists() for answer in settled.outcome for result in answer.results)
    return sum(len(answer.results) for answer in settled.outcome)


def test_an_image_is_prepared_and_encoded_in_another_process(
    sandbox: ImageSandbox, ledger: Ledger, tmp_path: Path
) -> None:
    instance = received(ledger, tmp_path)
    tensor = prepare(sandbox, instance)
    assert tensor.shape == (3, 224, 224)
    assert is_in_page_cache(instance.path)
    assert encode(sandbox, instance, tensor) == 2
    wait_for(  # its pages serve the next image, unless the system has them in use just then
        lambda: not is_in_page_cache(instance.path) or not encode(sandbox, instance, tensor)
    )
    assert sandbox.process.pid not in (0, os.getpid())


def test_images_that_a_killed_sandbox_had_prepared_are_prepared_again(
    sandbox: ImageSandbox, ledger: Ledger, tmp_path: Path
) -> None:
    instances = [received(ledger, tmp_path, number) for number in (1, 2)]
    tensors = [prepare(sandbox, instance) for instance in instances]
    os.kill(sandbox.process.pid, signal.SIGKILL)
    assert [encode(sandbox, *each) for each in zip(instances, tensors, strict=True)] == [2, 2]


def test_more_images_than_are_kept_are_prepared_again(
    sandbox: ImageSandbox, ledger: Ledger, tmp_path: Path
) -> None:
    instances = [received(ledger, tmp_path, number) for number in (1, 2, 3)]
    tensors = [prepare(sandbox, instance) for instance in instances]
    assert [encode(sandbox, *each) for each in zip(instances, tensors, strict=True)] == [2, 2, 2]


class Unlucky(Sandbox):
    """Ends as often as it is told, and then works."""

    def __init__(self, *ends: Exception) -> None:
        super().__init__("tests", lambda: None)
        self._ends = list(ends)

    def ask(self, seconds: float, work: Callable[..., Any], *arguments: Any) -> Any:
        assert seconds > 0
        assert callable(work)
        if self._ends:
            raise self._ends.pop(0)
        return arguments[0]


@pytest.fixture
def image(ledger: Ledger, tmp_path: Path) -> StoredInstance:
    return received(ledger, tmp_path)


def asked(*ends: Exception, image: StoredInstance) -> Any:
    return ImageSandbox(Unlucky(*ends)).encode(image, []).result(PATIENCE_SECONDS)


def test_an_image_is_poison_once_it_has_ended_its_sandbox_repeatedly(image: StoredInstance) -> None:
    assert asked(*[Lost()] * (DEATHS - 1), image=image) is image
    with capture_logs() as log:
        settled = asked(*[Lost()] * DEATHS, image=image)
    assert [line["event"] for line in log] == ["sandbox_ended"] * DEATHS
    assert isinstance(settled.outcome, End)
    assert settled.outcome.reason == "poison"


@pytest.mark.parametrize("error", [Retry("the disk is away"), ConfigurationError("no log")])
def test_a_sandbox_that_cannot_work_now_blames_nobody(image: StoredInstance, error: Exception) -> None:
    with pytest.raises(Retry, match=str(error)):
        asked(error, image=image)


def test_work_in_a_sandbox_that_is_closed_is_for_later(image: StoredInstance) -> None:
    sandbox = ImageSandbox(Sandbox("tests", time.sleep, PATIENCE_SECONDS))
    asked: list[Future[Any]] = [sandbox.prepare(image) for _ in range(2)]
    sandbox.close()
    for each in (*asked, sandbox.encode(image, [])):
        with pytest.raises(Retry, match="is closed"):
            each.result(PATIENCE_SECONDS)


def test_sandboxes_take_images_in_turn() -> None:
    both = [ImageSandbox(Unlucky()) for _ in range(2)]
    sandboxes = ImageSandboxes(both)
    assert [sandboxes.next() for _ in range(3)] == [both[0], both[1], both[0]]
    sandboxes.close()
