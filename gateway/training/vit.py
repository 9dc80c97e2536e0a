"""ViT-S/14 (Dosovitskiy et al. 2021; Oquab et al. 2023), a teacher. `train` builds it; it never ships.

The names of its tensors are those of Hugging Face's `Dinov2Model`.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, scaled_dot_product_attention

from gateway.errors import ConfigurationError
from gateway.model.weights import State

PATCH, WIDTH, HEADS, BLOCKS = 14, 384, 6, 12
GRID = 37  # patches along a side of the pictures that the positions were trained on
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class Vit(nn.Module):
    """ViT-S/14 with two outputs."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = _Embeddings()
        self.layer = nn.ModuleList([_Block() for _ in range(BLOCKS)])
        self.layernorm = _norm()
        self.fc = nn.Linear(2 * WIDTH, 2)
        for name, of in (("mean", MEAN), ("spread", SPREAD)):
            self.register_buffer(name, torch.tensor(of)[:, None, None], persistent=False)

    def pooled(self, images: Tensor) -> Tensor:
        """Return class token and mean of the patches, (n, 768).

        `images` are float (n, 3, rows, columns), -1 to 1. Pixels beyond the last whole patch do not count.
        """
        x = self.embeddings(((images + 1) / 2 - self.mean) / self.spread)
        for block in self.layer:
            x = block(x)
        x = self.layernorm(x)
        return torch.cat([x[:, 0], x[:, 1:].mean(dim=1)], dim=1)


def load_vit(network: Vit, state: State, source: object) -> None:
    """Load weights; the network keeps its own last layer where `state` has none.

    Raises
    ------
    ConfigurationError
        `state`, of the file `source`, does not hold the tensors of a ViT-S/14.
    """
    own = network.state_dict()
    found = {name: torch.tensor(a, dtype=torch.float32) for name, a in state.items()}
    loaded = {name: t for name, t in own.items() if name.startswith("fc.")} | found
    if {name: t.shape for name, t in loaded.items()} != {name: t.shape for name, t in own.items()}:
        raise ConfigurationError(f"{source} is not a ViT-S/14")
    network.load_state_dict(loaded)


class _Embeddings(nn.Module):
    """Tokens of the patches, behind the class token, and their positions."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + GRID * GRID, WIDTH))
        self.projection = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.projection(images)
        grid = self.position_embeddings[:, 1:].reshape(1, GRID, GRID, WIDTH).permute(0, 3, 1, 2)
        grid = interpolate(grid, size=patches.shape[-2:], mode="bicubic")
        tokens = (patches + grid).flatten(2).transpose(1, 2)
        first = (self.cls_token + self.position_embeddings[:, :1]).expand(len(images), -1, -1)
        return torch.cat([first.to(tokens.dtype), tokens], dim=1)


class _Block(nn.Module):
    """Attention and perceptron, each normalised before, scaled and added after."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = _norm(), _norm()
        self.query, self.key, self.value, self.dense = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.lambda1, self.lambda2 = nn.Parameter(torch.ones(WIDTH)), nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.lambda1 * self._attended(self.norm1(x))
        return cast(Tensor, x + self.lambda2 * self.fc2(gelu(self.fc1(self.norm2(x)))))

    def _attended(self, x: Tensor) -> Tensor:
        query, key, value = (
            of(x).reshape(*x.shape[:2], HEADS, -1).transpose(1, 2)
            for of in (self.query, self.key, self.value)
        )
        found = scaled_dot_product_attention(query, key, value)
        return cast(Tensor, self.dense(found.transpose(1, 2).flatten(2)))


def _norm() -> nn.LayerNorm:
    return nn.LayerNorm(WIDTH, eps=1e-6)
