"""Chests drawn with known lungs, and a hand-made lung network that marks what is as dark as they are.

The network is honest and small: of its layers only the first and the last block compute, and a pixel is lung
where its grey value lies between those of background and body. The chests are drawn in these grey values.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from gateway.model.card import CARD_NAME, LungNetwork, read_card, write_card
from gateway.model.comparison import make_reference
from gateway.model.lung_unet import shapes
from gateway.model.predictor import SHIPPED
from gateway.model.weights import State
from gateway.records import Box

BACKGROUND, LUNG, BODY = -1.0, -0.4, 0.3
SHARPNESS = 40.0
LUNGS_NAME = "lungs.safetensors"
LEFT = Box(0.15, 0.2, 0.42, 0.8)
RIGHT = Box(0.58, 0.2, 0.85, 0.8)
BOTH = Box(0.15, 0.2, 0.85, 0.8)


def chest(*lungs: Box, side: int = 224) -> NDArray[np.float32]:
    """Return a grey image (side, side), -1 to 1, with an ellipse in each box that shows as lung."""
    places = (np.arange(side) + 0.5) / side
    image = np.full((side, side), BODY, np.float32)
    for box in lungs:
        across = (places - (box.left + box.right) / 2) / (box.right - box.left) * 2
        down = (places - (box.top + box.bottom) / 2) / (box.bottom - box.top) * 2
        image[across[None] ** 2 + down[:, None] ** 2 <= 1] = LUNG
    return image


def model_input(*images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return grey images as the model's input, float32 (n, 3, 224, 224)."""
    return np.stack([np.stack([image] * 3) for image in images])


def probabilities(*lungs: Box) -> NDArray[np.float32]:
    """Return what a perfect lung network says of `chest`, float32 (112, 112)."""
    return np.where(chest(*lungs, side=112) == LUNG, 1, 0).astype(np.float32)


def lung_state() -> State:
    """Return the weights of the hand-made network."""
    state: State = {name: np.zeros(shape, np.float32) for name, shape in shapes().items()}
    for name, array in state.items():
        if name.endswith((".running_var", "bn1.weight", "bn2.weight")):
            array[:] = 1
    middle = (1, 1)
    brightest, darkest = (LUNG + BODY) / 2, (LUNG + BACKGROUND) / 2
    for channel, limit in enumerate((brightest, darkest)):  # by how much a pixel is darker than either
        state["down1.conv1.weight"][channel, 0][middle] = -1
        state["down1.bn1.bias"][channel] = limit
        state["down1.conv2.weight"][channel, channel][middle] = 1
        state["up1.conv1.weight"][channel, 16 + channel][middle] = 1
        state["up1.conv2.weight"][channel, channel][middle] = 1
    depth = brightest - LUNG
    state["out.weight"][0, :2, 0, 0] = SHARPNESS, -20 * SHARPNESS
    state["out.bias"][0] = -SHARPNESS * depth / 2
    return state


def with_lungs(folder: Path, **changes: object) -> Path:
    """Write the shipped classifier with the hand-made lung network into a folder; changes are of the card."""
    path = folder / LUNGS_NAME
    save_file(lung_state(), path)
    network = LungNetwork(file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    return _shipped(folder, lungs=network, **changes)


def without_lungs(folder: Path, **changes: object) -> Path:
    """Write the shipped classifier into a folder; it sees whole images."""
    return _shipped(folder, lungs=None, **changes)


def _shipped(folder: Path, **changes: object) -> Path:
    card = read_card(SHIPPED / CARD_NAME)
    (folder / card.weights.file).symlink_to(SHIPPED / card.weights.file)
    write_card(card.model_copy(update=changes), folder / CARD_NAME)
    make_reference(folder)
    return folder
