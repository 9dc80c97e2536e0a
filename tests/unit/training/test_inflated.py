"""A network inflated to three dimensions starts a ResNet-50."""

import numpy as np

from gateway.model.resnet50 import shapes
from gateway.training.inflated import is_inflated, slice_of


def test_kernels_are_summed_over_depth_and_further_blocks_left_out() -> None:
    rng = np.random.default_rng(0)
    deep = {
        name: rng.normal(size=(*shape[:2], 3, *shape[2:])) if len(shape) == 4 else rng.normal(size=shape)
        for name, shape in shapes().items()
        if not name.startswith("fc.")
    }
    deeper = deep | {"layer2.7.conv1.weight": rng.normal(size=(128, 512, 1, 1, 1))}
    flat = slice_of(deeper)
    assert {name: array.shape for name, array in flat.items()} == {
        name: shape for name, shape in shapes().items() if not name.startswith("fc.")
    }
    np.testing.assert_allclose(flat["conv1.weight"], deep["conv1.weight"].sum(axis=2), rtol=1e-5, atol=1e-5)
    assert is_inflated(deeper)
    assert not is_inflated(flat)
