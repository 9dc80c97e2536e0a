"""Trains the lung network by a recipe of the kind `lungs`, and writes weights, card and pictures of masks.

`train` calls it. Masks of children do not exist: geometry, spectrum and tones are changed strongly, and
images without masks lend their look.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits

from gateway.model.lung_network import LungNetwork
from gateway.model.torch_engine import find_device
from gateway.training.augmentation import Augmenter
from gateway.training.lung_masks import MaskSet, load_masks
from gateway.training.pixels import Progress
from gateway.training.recipe import LungRecipe
from gateway.training.stage import StageRun

WEIGHTS_NAME = "lungs.safetensors"
CARD_NAME = "lungs.yaml"
PICTURES_NAME = "masks.png"
SHOWN = 20  # images of the validation part and of `looks` in the picture
NO_MASK = 255  # value of the mask of an image that only lends its look


def train_lungs(recipe: LungRecipe, progress: Progress) -> Path:
    """Train the lung network of `recipe`; return the output folder.

    Raises
    ------
    ConfigurationError
        A folder, a mask or an image is unusable; raised before training begins.
    """
    device = find_device(recipe.device)
    masks = load_masks(recipe, progress)
    recipe.out.mkdir(parents=True, exist_ok=True)
    generator = Generator(device).manual_seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    network = LungNetwork().to(device)
    objective = _Segment(network, Augmenter(recipe.augmentation, recipe.stage.size, generator))
    batches = _Batches(masks, recipe, generator)
    run = StageRun(recipe.stage, network, objective, batches, generator, recipe.out)
    images, marks = (torch.from_numpy(array).to(device) for array in (masks.images, masks.masks))
    run.run(images, marks, progress)
    _write(recipe, run.average.eval(), masks, device)
    return recipe.out


class _Segment:
    """Cross-entropy of each pixel and soft Dice of each image, on views of the stage's size, halved."""

    def __init__(self, network: LungNetwork, augment: Augmenter) -> None:
        self.module: nn.Module = network
        self._augment = augment

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of images, uint8 (n, 224, 224), with masks of the same shape, 0, 1 or `NO_MASK`."""
        marked = labels[:, 0, 0] != NO_MASK
        views, masks = self._augment.with_masks(images, labels)
        grey, wanted = avg_pool2d(views[marked], 2), avg_pool2d(masks[marked], 2)
        found: Tensor = self.module(grey).float()
        both = (found.sigmoid() * wanted).sum(dim=(1, 2, 3))
        each = found.sigmoid().sum(dim=(1, 2, 3)) + wanted.sum(dim=(1, 2, 3))
        dice = (2 * both + 1) / (each + 1)
        missed: Tensor = (1 - dice).mean()
        return binary_cross_entropy_with_logits(found, wanted) + missed

    def after_step(self) -> None:
        pass


class _Batches:
    """Draws batches of images with masks, images without lungs, and images that lend their look."""

    def __init__(self, masks: MaskSet, recipe: LungRecipe, generator: Generator) -> None:
        kinds = [masks.kinds == kind for kind in ("masks", "without lungs", "looks")]
        self._members = [
            torch.from_numpy(np.flatnonzero(of & ~masks.apart)).to(generator.device) for of in kinds
        ]
        shares = zip(self._members, recipe.shares, strict=True)
        self._counts = [round(recipe.stage.batch * share) if len(rows) else 0 for rows, share in shares]
        self._generator = generator

    def draw(self) -> Tensor:
        """Return the indices of one batch, int64."""
        device = self._generator.device
        return torch.cat(
            [
                rows[torch.randint(max(1, len(rows)), (count,), generator=self._generator, device=device)]
                for rows, count in zip(self._members, self._counts, strict=True)
            ]
        )


def _write(recipe: LungRecipe, network: Any, masks: MaskSet, device: torch.device) -> None:
    state = {name: t for name, t in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    path = recipe.out / WEIGHTS_NAME
    save_file({name: tensor.half().cpu().contiguous() for name, tensor in state.items()}, path)
    found = _probabilities(network, masks.images, device)
    _draw(masks, found, recipe.out / PICTURES_NAME)
    card = {
        "name": recipe.name,
        "version": recipe.version,
        "weights": {"file": WEIGHTS_NAME, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "figures": _figures(masks, found),
        "data": [data.model_dump() for data in recipe.data],
        "licence": recipe.licence,
    }
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110)
    (recipe.out / CARD_NAME).write_text(text, encoding="utf-8")
    (recipe.out / "report.json").write_text(json.dumps(card["figures"], indent=1), encoding="utf-8")


@torch.inference_mode()
def _probabilities(network: Any, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    """Return the probability of lung, float32 (n, 112, 112)."""
    parts = []
    for start in range(0, len(images), 256):
        grey = torch.from_numpy(images[start : start + 256]).to(device)[:, None].float() / 127.5 - 1
        parts.append(network(avg_pool2d(grey, 2)).sigmoid()[:, 0].float().cpu().numpy())
    return np.concatenate(parts)


def _figures(masks: MaskSet, found: NDArray[np.float32]) -> dict[str, dict[str, float]]:
    """Return for each source, on images kept apart: mean Dice and the share above 0.9, or the share empty."""
    wanted = masks.masks.reshape(len(found), 112, 2, 112, 2).mean(axis=(2, 4)) >= 0.5
    marked = found >= 0.5
    figures = {}
    for source in dict.fromkeys(masks.sources[masks.apart].tolist()):
        rows = np.flatnonzero(masks.apart & (masks.sources == source))
        if masks.kinds[rows[0]] == "masks":
            both = (marked[rows] & wanted[rows]).sum(axis=(1, 2))
            dice = 2 * both / np.maximum(marked[rows].sum(axis=(1, 2)) + wanted[rows].sum(axis=(1, 2)), 1)
            of = {"dice": dice.mean(), "least dice": dice.min()}
        else:
            of = {"without lungs": (marked[rows].mean(axis=(1, 2)) < 0.01).mean()}
        figures[source] = {"images": len(rows)} | {name: round(float(v), 4) for name, v in of.items()}
    return figures


def _draw(masks: MaskSet, found: NDArray[np.float32], path: Path) -> None:
    """Draw masks found in images kept apart and in images without masks, as green over the image."""
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(masks.apart & (masks.kinds == "masks")), np.flatnonzero(masks.kinds == "looks")]
    chosen = np.concatenate([rng.permutation(rows)[: SHOWN // 2] for rows in groups])
    tiles = []
    for row in chosen:
        grey = masks.images[row].astype(np.float32)
        lung = np.kron(found[row] >= 0.5, np.ones((2, 2)))
        tiles.append(np.stack([grey, grey * (1 - 0.25 * lung) + 64 * lung, grey], axis=2))
    while len(tiles) % 5:
        tiles.append(np.zeros((224, 224, 3), np.float32))
    lines = [np.concatenate(tiles[i : i + 5], axis=1) for i in range(0, len(tiles), 5)]
    Image.fromarray(np.concatenate(lines).clip(0, 255).astype(np.uint8)).save(path)
