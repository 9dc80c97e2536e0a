"""Batch-norm statistics become those of the images, layer after layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gateway.commissioning.fitting import Fitting
from gateway.model.network import build_network, forward, load_into
from gateway.model.weights import State


@pytest.fixture
def state(network: nn.Module) -> State:
    return {
        name: tensor.numpy().copy()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.fixture
def chests() -> np.ndarray:
    return np.random.default_rng(3).normal(0.2, 0.6, (6, 3, 64, 64)).astype(np.float32)


def test_the_whole_share_is_what_training_mode_computes(state: State, chests: np.ndarray) -> None:
    trained = build_network()
    load_into(trained, state)
    with torch.no_grad():
        logits = forward(trained.train(), torch.from_numpy(chests)).logits
    fitting = Fitting(state, None, share=1.0)
    fitting.fit(chests)
    np.testing.assert_allclose(fitting.score(chests)[0], (logits[:, 1] - logits[:, 0]).numpy(), atol=1e-3)


def test_no_share_leaves_the_network_as_it_was(state: State, chests: np.ndarray) -> None:
    fitting = Fitting(state, None, share=0.0)
    before = fitting.score(chests)[0]
    fitting.fit(chests)
    np.testing.assert_allclose(fitting.score(chests)[0], before, atol=1e-5)


def test_fitting_again_forgets_the_images_before(state: State, chests: np.ndarray) -> None:
    first, second = Fitting(state, None, share=0.5), Fitting(state, None, share=0.5)
    first.fit(chests[::-1].copy() * 2)
    for each in (first, second):
        each.fit(chests)
    for name, array in first.statistics().items():
        np.testing.assert_array_equal(array, second.statistics()[name])
        assert name.endswith(("running_mean", "running_var"))
