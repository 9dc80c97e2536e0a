"""Draws training batches with a fixed share of each source and class. `train` calls it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gateway.errors import ConfigurationError
from gateway.training.recipe.sources import DataSource
from gateway.training.samples import CLASSES, Sample


class Batches:
    """Draws indices of training samples: a weighted share of each (source, class), at random within it.

    Raises
    ------
    ConfigurationError
        The training part holds images of one class only, or a batch is too small for a share.
    """

    def __init__(
        self, samples: list[Sample], sources: tuple[DataSource, ...], batch: int, generator: Generator
    ) -> None:
        groups = {
            (source.name, CLASSES.index(name)): weight
            for source in sources
            for name, weight in source.weights.items()
        }
        members = {key: _indices(samples, key) for key in groups}
        filled = {key: weight for key, weight in groups.items() if len(members[key]) and weight > 0}
        if len({label for _, label in filled}) < 2:
            raise ConfigurationError("the training part holds images of one class only: both are needed")
        self._members = [members[key].to(generator.device) for key in filled]
        self._counts = _shares(list(filled.values()), batch)
        for (source, label), count in zip(filled, self._counts, strict=True):
            if not count:
                raise ConfigurationError(
                    f"a batch of {batch} images has none of source {source}, {CLASSES[label]}: raise the "
                    "batch or the weight, or state the weight 0"
                )
        self._generator = generator

    def draw(self) -> Tensor:
        """Return the indices of one batch, int64, grouped by (source, class)."""
        device = self._generator.device
        return torch.cat(
            [
                group[torch.randint(len(group), (count,), generator=self._generator, device=device)]
                for group, count in zip(self._members, self._counts, strict=True)
            ]
        )


def _indices(samples: list[Sample], key: tuple[str, int]) -> Tensor:
    found = [i for i, s in enumerate(samples) if s.part == "train" and (s.source, s.label) == key]
    return torch.tensor(found, dtype=torch.long)


def _shares(weights: list[float], batch: int) -> list[int]:
    """Split `batch` in proportion to `weights`, by largest remainder."""
    exact = [batch * weight / sum(weights) for weight in weights]
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[: batch - sum(counts)]:
        counts[i] += 1
    return counts
