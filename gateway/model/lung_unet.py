"""The layers of the lung network, a small U-Net (Ronneberger et al. 2015): names, channels and shapes.

Lung weights are compared with `shapes`; `lung_network` and `lung_graph` build the network from `DOWN` and
`UP`. A block is two convolutions of 3 × 3 without bias, each followed by batch normalisation and ReLU. Each
block of `DOWN` after the first takes the 2 × 2 maximum of its predecessor's output. Each block of `UP` takes
the output before it, every pixel repeated to 2 × 2, followed by the channels of the named block of `DOWN`. A
convolution of 1 × 1 with bias ends the network.
"""

from __future__ import annotations

from typing import NamedTuple

SIDE = 112  # pixels of input and output, half of the classifier's input
LAST = "out"  # name of the last convolution

Shape = tuple[int, ...]


class Block(NamedTuple):
    """Channels into and out of a block, and the block of `DOWN` whose output is concatenated (`UP` only)."""

    channels_in: int
    channels_out: int
    beside: str | None = None


DOWN = {
    "down1": Block(1, 16),
    "down2": Block(16, 32),
    "down3": Block(32, 64),
    "down4": Block(64, 128),
    "down5": Block(128, 128),
}
UP = {
    "up4": Block(128 + 128, 64, beside="down4"),
    "up3": Block(64 + 64, 32, beside="down3"),
    "up2": Block(32 + 32, 16, beside="down2"),
    "up1": Block(16 + 16, 16, beside="down1"),
}


def shapes() -> dict[str, Shape]:
    """Return the shape of each tensor of a `state_dict`, in its order, without counters of batches."""
    found: dict[str, Shape] = {}
    for name, block in (DOWN | UP).items():
        for number, channels in ((1, block.channels_in), (2, block.channels_out)):
            found[f"{name}.conv{number}.weight"] = (block.channels_out, channels, 3, 3)
            parts = ("weight", "bias", "running_mean", "running_var")
            found |= {f"{name}.bn{number}.{part}": (block.channels_out,) for part in parts}
    last = UP["up1"].channels_out
    return found | {f"{LAST}.weight": (1, last, 1, 1), f"{LAST}.bias": (1,)}
