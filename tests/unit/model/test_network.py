import copy

import numpy as np
import torch
from torch import nn

from gateway.model.network import fold_batch_norm, forward
from gateway.model.resnet50 import DESCRIPTION


@torch.inference_mode()
def test_the_logits_are_torchvisions(network: nn.Module, images: np.ndarray) -> None:
    x = torch.from_numpy(images)
    torch.testing.assert_close(forward(network, x).logits, network(x))


@torch.inference_mode()
def test_the_activation_map_adds_up_to_the_log_odds(network: nn.Module, images: np.ndarray) -> None:
    output = forward(network, torch.from_numpy(images))
    log_odds = output.logits[:, 1] - output.logits[:, 0]
    bias = network.fc.bias[1] - network.fc.bias[0]
    assert output.activation.shape == (3, 7, 7)
    torch.testing.assert_close(output.activation.mean(dim=(1, 2)) + bias, log_odds, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_folding_batch_normalisation_changes_nothing(network: nn.Module, images: np.ndarray) -> None:
    x = torch.from_numpy(images)
    folded = fold_batch_norm(copy.deepcopy(network))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    for ours, theirs in zip(forward(folded, x), forward(network, x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_the_description_knows_up_from_down(network: nn.Module, images: np.ndarray) -> None:
    x = torch.from_numpy(images[:1])
    upright, turned = (forward(network, image).description for image in (x, x.flip(2)))
    assert upright.shape == (1, DESCRIPTION)
    assert not torch.allclose(upright, turned, atol=1e-2)
