"""The layers of ResNet-50 (He et al. 2016) as torchvision names and shapes them, for two outputs.

Weights files are compared with `shapes`; `openvino_graph` builds the network from `STAGES`.
"""

from __future__ import annotations

from typing import NamedTuple

STEM = 64  # channels after the first convolution
EXPANSION = 4  # output channels of a block by its width
CLASSES = 2
BANDS = (
    3  # rows, and columns, that a stage is averaged to: a chest differs from top to bottom and side to side
)

Shape = tuple[int, ...]


class StageOfBlocks(NamedTuple):
    """A stage: its number of blocks, their width in channels, the stride of the first, whether it describes.

    The stages with `described` describe the image for abstention.
    """

    blocks: int
    width: int
    stride: int
    described: bool


STAGES = {
    "layer1": StageOfBlocks(3, 64, 1, described=False),
    "layer2": StageOfBlocks(4, 128, 2, described=True),
    "layer3": StageOfBlocks(6, 256, 2, described=True),
    "layer4": StageOfBlocks(3, 512, 2, described=True),
}
FEATURES = EXPANSION * STAGES["layer4"].width
DESCRIPTION = 2 * BANDS * sum(EXPANSION * stage.width for stage in STAGES.values() if stage.described)


def shapes() -> dict[str, Shape]:
    """Return the shape of each tensor of a `state_dict`, in its order, without counters of batches."""
    found = _convolution("conv1", "bn1", (STEM, 3, 7, 7))
    channels = STEM
    for name, stage in STAGES.items():
        for number in range(stage.blocks):
            found |= _block(f"{name}.{number}", channels, stage.width, widens=number == 0)
            channels = EXPANSION * stage.width
    return found | {"fc.weight": (CLASSES, FEATURES), "fc.bias": (CLASSES,)}


def _block(name: str, channels: int, width: int, *, widens: bool) -> dict[str, Shape]:
    wide = EXPANSION * width
    found = {
        **_convolution(f"{name}.conv1", f"{name}.bn1", (width, channels, 1, 1)),
        **_convolution(f"{name}.conv2", f"{name}.bn2", (width, width, 3, 3)),
        **_convolution(f"{name}.conv3", f"{name}.bn3", (wide, width, 1, 1)),
    }
    if widens:
        found |= _convolution(f"{name}.downsample.0", f"{name}.downsample.1", (wide, channels, 1, 1))
    return found


def _convolution(name: str, norm: str, shape: Shape) -> dict[str, Shape]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.weight": shape} | {f"{norm}.{part}": shape[:1] for part in parts}
