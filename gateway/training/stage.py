"""Runs one stage of a training: loop, schedule, moving average and checkpoint. `train` calls it.

A killed stage resumes from its checkpoint, at most a minute old. A stage that diverges ends in an error.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Generator, Tensor, nn

from gateway.errors import GatewayError
from gateway.training.objectives import Objective
from gateway.training.pixels import Progress
from gateway.training.recipe.stages import TrainingStage

SAVE_EVERY = 60.0  # seconds


class Drawn(Protocol):
    """Draws the images of a batch."""

    def draw(self) -> Tensor:
        """Return the indices of one batch, int64."""


class Stored(Protocol):
    """Stored images, uint8 (n, 224, 224)."""

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return the images of these indices."""


class StageRun:
    """Trains `network` by `stage`; writes a checkpoint to `folder` every `SAVE_EVERY` seconds.

    Attributes
    ----------
    average
        Network with the moving average of the weights: the result of the stage.
    """

    def __init__(
        self,
        stage: TrainingStage,
        network: nn.Module,
        objective: Objective,
        batches: Drawn,
        generator: Generator,
        folder: Path,
    ) -> None:
        self.average = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self._stage, self._network, self._objective = stage, network, objective
        self._batches, self._generator, self._folder = batches, generator, folder
        self._optimiser = _optimiser(stage, objective.module)
        self._steps, self._elapsed, self._losses = 0, 0.0, list[float]()
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self, pixels: Stored, labels: Tensor, progress: Progress) -> list[float]:
        """Train to the end of the schedule; return the mean loss of each hundredth of the schedule.

        `labels` holds for each image what the objective compares its output with: see `Objective.loss`.

        Raises
        ------
        GatewayError
            Loss or weights are no finite numbers, at the end of such a hundredth; the checkpoint is older.
        """
        self._objective.module.train()
        recent: list[Tensor] = []
        for done in self._clock():
            rows = self._batches.draw()
            recent.append(self._step(pixels[rows], labels[rows], done))
            if done >= len(self._losses) / 100:
                self._losses.append(float(torch.stack(recent).mean()))
                recent.clear()
                self._check(self._losses[-1])
                progress(round(done * 100), 100, f"{self._stage.name}: loss {self._losses[-1]:.4f}")
        self._check(*(float(loss) for loss in recent))
        progress(100, 100, f"{self._stage.name}: {self.seen} images seen")
        self._saved.unlink(missing_ok=True)
        return self._losses

    @property
    def seen(self) -> int:
        """The number of images drawn so far."""
        return self._steps * self._stage.batch

    @property
    def _saved(self) -> Path:
        return self._folder / "checkpoint.pt"

    def _clock(self) -> Iterator[float]:
        """Yield the finished share of the schedule before each step; write checkpoints in between."""
        begun = saved = 0.0
        while (done := self._done()) < 1:
            yield done
            now = time.monotonic()
            if not begun:  # the first step, which may compile for a minute, does not count
                begun, saved = now - self._elapsed, now
            self._elapsed = now - begun
            if now - saved > SAVE_EVERY:
                self._check()
                self._save()
                saved = now

    def _done(self) -> float:
        by_time = self._elapsed / self._stage.seconds if self._stage.seconds else 0.0
        return max(self.seen / self._stage.samples, by_time)

    def _step(self, images: Tensor, labels: Tensor, done: float) -> Tensor:
        for group in self._optimiser.param_groups:
            group["lr"] = self._stage.rate * _schedule(done, self._stage.warm_up)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            loss = self._objective.loss(images, labels)
        self._optimiser.zero_grad(set_to_none=True)
        cast(Any, loss).backward()
        self._optimiser.step()
        self._objective.after_step()
        self._follow()
        self._steps += 1
        return loss.detach()

    @torch.no_grad()
    def _follow(self) -> None:
        """Update the moving average; early steps weigh more, so the initial weights fade."""
        decay = min(self._stage.average, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(_tensors(self.average), _tensors(self._network), 1 - decay)

    def _check(self, *losses: float) -> None:
        """Raise GatewayError unless losses and weights are finite."""
        tensors = _tensors(self._objective.module) + _tensors(self.average)
        if all(map(math.isfinite, losses)) and torch.stack([each.isfinite().all() for each in tensors]).all():
            return
        onward = f"it goes on from {self._saved}, without this file " if self._saved.exists() else "it "
        raise GatewayError(
            f"stage {self._stage.name} diverged: its loss or weights are no finite numbers after {self.seen} "
            f"images; lower its rate, {self._stage.rate:g}, in the recipe, train again: {onward}begins anew"
        )

    def _save(self) -> None:
        state = {
            "module": self._objective.module.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
            "progress": json.dumps([self._steps, self._elapsed, self._losses]),
        }
        partial = self._saved.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._saved)

    def _resume(self) -> None:
        if not self._saved.exists():
            return
        state = torch.load(self._saved, map_location="cpu", weights_only=True)
        self._objective.module.load_state_dict(state["module"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._generator.set_state(state["generator"])
        self._steps, self._elapsed, self._losses = json.loads(state["progress"])


def _schedule(done: float, warm_up: float) -> float:
    """Return the share of the peak rate: linear up, then half a cosine down to zero."""
    if done < warm_up:
        return (done + 1e-3) / (warm_up + 1e-3)
    return 0.5 + 0.5 * math.cos(math.pi * (done - warm_up) / (1 - warm_up))


def _optimiser(stage: TrainingStage, module: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser; biases and normalisations have no weight decay."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": stage.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if stage.optimiser == "adam":
        return torch.optim.AdamW(groups, lr=stage.rate)
    return torch.optim.SGD(groups, lr=stage.rate, momentum=0.9, nesterov=True)


def _tensors(module: nn.Module) -> list[Tensor]:
    """Return the parameters and running statistics of `module`, in a fixed order."""
    return [tensor for tensor in module.state_dict(keep_vars=True).values() if tensor.is_floating_point()]
