"""Training objectives: each turns a batch of stored images and labels into a loss. `stage` minimises it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    interpolate,
    normalize,
)

from gateway.training.augmentation import Augmenter
from gateway.training.recipe.stages import TrainingStage

Features = Callable[..., Tensor]
Teacher = tuple[nn.Module, int]  # a trained network and the side of its training images, in pixels


class Objective(Protocol):
    """A loss with its module.

    `module` holds the trained parameters and the state of a checkpoint.
    """

    module: nn.Module

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of images, uint8 (n, 224, 224).

        `labels` are classes, (n,), 0 or 1, with shares of teachers, (n, 1 + k), or masks.
        """

    def after_step(self) -> None:
        """Update the state after a step of the optimiser."""


class Classify:
    """Cross-entropy with label smoothing on one view."""

    def __init__(
        self, network: nn.Module, stage: TrainingStage, augment: Augmenter, features: Features
    ) -> None:
        self.module = network
        self._stage, self._augment, self._features = stage, augment, features

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        views, targets = self._augment.mix(self._augment(images), labels.float())
        smooth = targets * (1 - self._stage.smoothing) + 0.5 * self._stage.smoothing
        return binary_cross_entropy_with_logits(self._log_odds(views), smooth)

    def after_step(self) -> None:
        pass

    def _log_odds(self, views: Tensor) -> Tensor:
        return _log_odds(self.module, views, self._features)


class Distil(Classify):
    """Distillation: the teachers' mean log-odds on the same view (Beyer et al. 2022), and the labels.

    `labels` are float (n, 1 + k): the class, and the share of each of the k teachers.
    """

    LABELS = 0.3  # share of the labels in the target

    def __init__(
        self,
        network: nn.Module,
        stage: TrainingStage,
        augment: Augmenter,
        features: Features,
        teachers: list[Teacher],
    ) -> None:
        super().__init__(network, stage, augment, features)
        self._teachers = teachers

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        views, targets = self._augment.mix(self._augment(images), labels)
        smooth = targets[:, 0] * (1 - self._stage.smoothing) + 0.5 * self._stage.smoothing
        target = self.LABELS * smooth + (1 - self.LABELS) * self._taught(views, targets[:, 1:])
        return binary_cross_entropy_with_logits(self._log_odds(views), target)

    @torch.no_grad()
    def _taught(self, views: Tensor, shares: Tensor) -> Tensor:
        total = torch.zeros(len(views), device=views.device)
        for (network, size), share in zip(self._teachers, shares.T, strict=True):
            small = views
            if size != views.shape[-1]:
                small = interpolate(views, size=(size, size), mode="bilinear", antialias=True)
            total += share * _log_odds(network, small, self._features)
        return total.sigmoid()


class Contrast:
    """Contrastive learning: views of one image agree, others differ (MoCo v3, Chen et al. 2021)."""

    TEMPERATURE = 0.2
    MOMENTUM = 0.99

    def __init__(self, network: nn.Module, augment: Augmenter, features: Features) -> None:
        device = next(network.parameters()).device
        self._leader = nn.ModuleDict({"network": network, "projector": _perceptron(2048, 2048, 256)})
        self._leader.to(device)
        self._follower = copy.deepcopy(self._leader).requires_grad_(requires_grad=False)
        self._predictor = _perceptron(256, 1024, 256).to(device)
        self.module: nn.Module = nn.ModuleList([self._leader, self._follower, self._predictor])
        self._augment, self._features = augment, features

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002 - self-supervised
        first, second = self._augment(images), self._augment(images)
        asked = [self._predictor(self._project(self._leader, view)) for view in (first, second)]
        with torch.no_grad():
            keys = [self._project(self._follower, view) for view in (second, first)]
        return _disagreement(asked[0], keys[0]) + _disagreement(asked[1], keys[1])

    @torch.no_grad()
    def after_step(self) -> None:
        own: list[Tensor] = list(self._follower.parameters())
        followed: list[Tensor] = list(self._leader.parameters())
        torch._foreach_lerp_(own, followed, 1 - self.MOMENTUM)

    def _project(self, module: nn.ModuleDict, views: Tensor) -> Tensor:
        return cast(Tensor, module["projector"](self._features(module["network"], views)))


def _log_odds(network: nn.Module, views: Tensor, features: Features) -> Tensor:
    logits = cast(nn.Linear, network.fc)(features(network, views))
    return cast(Tensor, (logits[:, 1] - logits[:, 0]).float())


def _disagreement(asked: Tensor, keys: Tensor) -> Tensor:
    """Return the cross-entropy of picking each image's own key among all keys of the batch."""
    asked, keys = normalize(asked.float(), dim=1), normalize(keys.float(), dim=1)
    alike = asked @ keys.T / Contrast.TEMPERATURE
    return cross_entropy(alike, torch.arange(len(alike), device=alike.device))


def _perceptron(inner: int, middle: int, outer: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inner, middle, bias=False), nn.BatchNorm1d(middle), nn.ReLU(), nn.Linear(middle, outer)
    )
