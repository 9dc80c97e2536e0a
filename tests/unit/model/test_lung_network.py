"""The lung network has the layers that `lung_unet` names."""

import torch

from gateway.model.lung_network import LungNetwork
from gateway.model.lung_unet import SIDE, shapes
from gateway.model.weights import COUNTER


def test_the_torch_network_has_the_tensors_of_the_table_in_its_order() -> None:
    state = {name: t for name, t in LungNetwork().state_dict().items() if not name.endswith(COUNTER)}
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == shapes()
    assert list(state) == list(shapes())


def test_every_pixel_gets_log_odds() -> None:
    network = LungNetwork().eval()
    assert network(torch.zeros(2, 1, SIDE, SIDE)).shape == (2, 1, SIDE, SIDE)
