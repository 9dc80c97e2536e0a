"""Many images are worked on in several processes, and come out as they would in one."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gateway.errors import ConfigurationError, GatewayError
from gateway.model.lung_network import LungNetwork
from gateway.training import spread
from gateway.training.crops import LungCropper
from gateway.training.pixels import load_pixels, load_thumbnails
from gateway.training.recipe.stages import LungStep

Radiographs = Callable[[Path, int, int], None]


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "LEAST", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def pid(_: int) -> int:
    return os.getpid()


def end(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_few_images_start_no_process() -> None:
    assert set(spread.spread(pid, range(spread.LEAST), spread.LEAST)) == {os.getpid()}


@pytest.mark.usefixtures("two_processes")
def test_many_images_start_processes_and_stay_in_order() -> None:
    assert os.getpid() not in set(spread.spread(pid, range(64), 64))
    assert list(spread.spread(abs, range(-99, 1), 100)) == list(range(99, -1, -1))


@pytest.mark.usefixtures("two_processes")
def test_a_process_that_is_ended_from_outside_is_told() -> None:
    with pytest.raises(GatewayError, match="ended from outside; where memory was short"):
        list(spread.spread(end, range(64), 64))


def test_images_are_the_same_from_several_processes(
    tmp_path: Path, radiographs: Radiographs, request: pytest.FixtureRequest
) -> None:
    radiographs(tmp_path / "chests", 6, 1)
    paths = sorted((tmp_path / "chests").iterdir())
    cropper = LungCropper(LungStep(weights=tmp_path), LungNetwork().eval(), torch.device("cpu"))
    told: list[int] = []

    def made(cache: str) -> list[Any]:
        pixels = load_pixels(paths, tmp_path / cache, lambda done, *_: told.append(done))
        return [pixels, load_thumbnails(paths, tmp_path / cache, lambda *_: None), *cropper(pixels)]

    alone = made("alone")
    request.getfixturevalue("two_processes")
    for one, other in zip(alone, made("together"), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    assert told == [1, 2, 3, 4, 5, 6] * 2


@pytest.mark.usefixtures("two_processes")
def test_a_corrupt_image_is_named_by_a_process(tmp_path: Path, radiographs: Radiographs) -> None:
    radiographs(tmp_path / "chests", 2, 1)
    (tmp_path / "chests" / "broken.png").write_bytes(b"no picture")
    paths = sorted((tmp_path / "chests").iterdir())
    with pytest.raises(ConfigurationError, match=r"broken\.png is not a readable image") as error:
        load_pixels(paths, tmp_path / "cache", lambda *_: None)
    assert len(str(error.value).splitlines()) == 1


def test_no_images_are_cropped_to_none() -> None:
    cropper = LungCropper(LungStep(weights=Path("x")), LungNetwork().eval(), torch.device("cpu"))
    seen = cropper(np.empty((0, 224, 224), np.uint8))
    assert seen.pixels.shape == (0, 224, 224)
