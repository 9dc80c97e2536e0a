"""Both networks as a model server offers them: names, shapes and types. Client and export share them.

The input is `image`. The classifier has the outputs `activation`, whose mean and the difference of the biases
are the log-odds, and `description`; the lung network has the output `lungs`. All tensors are FP32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gateway.model import lung_unet
from gateway.model.resnet50 import DESCRIPTION

SIDE = 224
MAP_SIDE = 7
IMAGE, ACTIVATION, DESCRIPTION_OUTPUT, LUNGS = "image", "activation", "description", "lungs"
CLASSIFIER_NAME, LUNGS_NAME = "cxr-classifier", "cxr-lungs"
DATATYPE = "FP32"

Shape = tuple[int, ...]


class Network(NamedTuple):
    """A network at a server; shapes are those of one image, without the number of images.

    Attributes
    ----------
    name
        Name of the model at the server.
    image
        Shape of the input.
    outputs
        Shapes of the outputs by name.
    """

    name: str
    image: Shape
    outputs: Mapping[str, Shape]

    def values(self, images: int) -> int:
        """Return how many numbers the answer for so many images holds."""
        return images * sum(_product(shape) for shape in self.outputs.values())


def classifier(name: str = CLASSIFIER_NAME) -> Network:
    """Return the classifier under the name that it has at the server."""
    outputs = {ACTIVATION: (MAP_SIDE, MAP_SIDE), DESCRIPTION_OUTPUT: (DESCRIPTION,)}
    return Network(name, (3, SIDE, SIDE), outputs)


def lung_network(name: str = LUNGS_NAME) -> Network:
    """Return the lung network under the name that it has at the server."""
    side = lung_unet.SIDE
    return Network(name, (1, side, side), {LUNGS: (side, side)})


def _product(shape: Shape) -> int:
    whole = 1
    for each in shape:
        whole *= each
    return whole
