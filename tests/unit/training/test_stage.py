"""A stage that diverges ends with its round, and leaves the last good checkpoint."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor, nn

from gateway.errors import GatewayError
from gateway.training import stage
from gateway.training.recipe.stages import TrainingStage
from gateway.training.stage import StageRun

BATCH = 4
SCHEDULE = TrainingStage(
    name="arm", objective="classify", augmentation="some", batch=BATCH, samples=4000, rate=0.25
)
IMAGES = torch.ones(BATCH, 1)


class Planned:
    """An objective whose loss is multiplied by the factor of its step; draws all images."""

    def __init__(self, factors: dict[int, float]) -> None:
        self.module: nn.Module = nn.Linear(1, 1)
        self._factors, self._steps = factors, 0

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        self._steps += 1
        missed: Tensor = self.module(images) - labels[:, None]
        return missed.square().mean() * self._factors.get(self._steps, 1.0)

    def after_step(self) -> None:
        pass

    def draw(self) -> Tensor:
        return torch.arange(BATCH)


def run_of(factors: dict[int, float], folder: Path) -> StageRun:
    planned = Planned(factors)
    return StageRun(SCHEDULE, planned.module, planned, planned, Generator(), folder)


@pytest.mark.parametrize(
    ("factors", "seen"),
    [
        ({57: math.nan}, 61 * BATCH),  # the round ends with step 61
        ({57: math.inf}, 61 * BATCH),
        ({1000: math.nan}, 1000 * BATCH),  # after the last whole round
    ],
    ids=["no number", "infinite", "in the last step"],
)
def test_a_stage_that_diverges_ends_with_its_round(
    factors: dict[int, float], seen: int, tmp_path: Path
) -> None:
    run = run_of(factors, tmp_path)
    with pytest.raises(GatewayError) as error:
        run.run(IMAGES, torch.ones(BATCH), lambda *_: None)
    assert str(error.value) == (
        f"stage arm diverged: its loss or weights are no finite numbers after {seen} images; lower its rate, "
        "0.25, in the recipe, train again: it begins anew"
    )


def test_a_stage_that_diverges_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "SAVE_EVERY", 0.0)
    run = run_of({5: math.nan}, tmp_path)
    with pytest.raises(GatewayError, match=f"it goes on from {tmp_path / 'checkpoint.pt'}, without this"):
        run.run(IMAGES, torch.ones(BATCH), lambda *_: None)
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert json.loads(checkpoint["progress"])[0] == 4
    assert all(tensor.isfinite().all() for tensor in checkpoint["module"].values())
    run_of({}, tmp_path)  # resumes
