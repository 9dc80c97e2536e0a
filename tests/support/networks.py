"""A random but well-behaved ResNet-50, and small folders of made-up radiographs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gateway.model.network import build_network


@pytest.fixture(scope="session")
def network() -> nn.Module:
    """An untrained network whose normalisations do something, in evaluation mode."""
    torch.manual_seed(1)
    built = build_network()
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return built.eval()


@pytest.fixture(scope="session")
def state_dict_file(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "lungs.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.5, (3, 3, 224, 224)).astype(np.float32)


@pytest.fixture
def radiographs() -> Callable[[Path, int, int], None]:
    """Write `n` pictures into a folder; those of different seeds are different pictures."""

    def write(folder: Path, n: int, seed: int) -> None:
        folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        for i in range(n):
            coarse = Image.fromarray(rng.integers(0, 255, (6, 6), np.uint8))
            suffix = "png" if i % 2 else "jpg"
            coarse.resize((80, 60), Image.Resampling.BICUBIC).save(folder / f"p{seed}x{i // 2}-{i}.{suffix}")

    return write
