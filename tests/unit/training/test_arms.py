"""What a stage may vary: teachers by source, hulls, another network."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from gateway.errors import ConfigurationError
from gateway.training.augmentation import Augmenter
from gateway.training.crops import Cropped
from gateway.training.lite import Lite, load_lite
from gateway.training.objectives import Distil
from gateway.training.recipe.stages import Augmentation, LungStep, TrainingStage
from gateway.training.scores import Scored, read_scores, write_scores
from gateway.training.shown import Mixed, kept_crops
from gateway.training.trunk import features
from gateway.training.vit import GRID, Vit, load_vit

NOTHING = Augmentation(rotation=0, zoom=(1, 1), aspect=0, shift=0, flip=0)


class Says(nn.Module):
    """A network whose log-odds are fixed."""

    def __init__(self, odds: float) -> None:
        super().__init__()
        self.fc = nn.Linear(1, 2)
        self.fc.weight.data.zero_()
        self.fc.bias.data = torch.tensor([0.0, odds])


def test_a_teacher_is_imitated_on_the_images_of_its_sources() -> None:
    stage = TrainingStage(name="it", objective="distil", augmentation="some", samples=4, size=16, smoothing=0)
    augment = Augmenter(NOTHING, 8, Generator().manual_seed(0))

    def one(_: nn.Module, images: Tensor) -> Tensor:
        return torch.ones(len(images), 1)

    certain, contrary = (Says(20.0), 8), (Says(-20.0), 8)
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # class, share of either teacher
    images = torch.zeros(2, 8, 8, dtype=torch.uint8)
    agrees = Distil(Says(0.0), stage, augment, one, [certain, contrary])
    assert agrees._taught(torch.zeros(2, 1, 8, 8), labels[:, 1:]).tolist() == pytest.approx([1, 0], abs=1e-6)
    loss = agrees.loss(images, labels)
    assert float(loss.detach()) == pytest.approx(np.log(2))


def test_the_share_of_hulls_is_kept() -> None:
    boxes, hulls = torch.zeros(1000, 2, 2), torch.ones(1000, 2, 2)
    shown = Mixed(boxes, hulls, 0.25, Generator().manual_seed(0))[torch.arange(1000)]
    assert float(shown.mean()) == pytest.approx(0.25, abs=0.05)
    assert set(shown.flatten(1).sum(dim=1).tolist()) == {0.0, 4.0}


def test_crops_are_read_again_for_the_same_pixels_alone(tmp_path: Path) -> None:
    (tmp_path / "lungs").write_bytes(b"network")
    calls = []

    def crop(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Cropped:
        calls.append(len(pixels))
        return Cropped(pixels + 1, np.zeros(len(pixels), bool))

    step, whole = LungStep(weights=tmp_path / "lungs"), np.zeros((2, 4, 4), np.uint8)
    for pixels in (whole, whole, whole[:1]):
        assert (kept_crops(crop, step, pixels, tmp_path).pixels == 1).all()
    kept_crops(crop, step.model_copy(update={"region": "hull"}), whole, tmp_path)
    assert calls == [2, 1, 2]


def test_scores_are_read_as_written(tmp_path: Path) -> None:
    scored = [
        Scored("box", "external", "away", "1", "a.png", 0.25),
        Scored("hull", "unlabelled", "x", "", "b", 1.0),
    ]
    write_scores(tmp_path / "scores.csv", scored)
    assert read_scores(tmp_path / "scores.csv") == scored


LITE = "the EfficientNet-Lite that the stage names"


@pytest.mark.parametrize(
    ("build", "load", "last", "shape", "pooled", "named"),
    [
        *(
            (partial(Lite, number), load_lite, {"_fc.weight": np.zeros((1000, 1280))}, (33, 40), 1280, LITE)
            for number in (0, 1, 2)
        ),
        (Vit, load_vit, {}, (28, 45), 768, "a ViT-S/14"),
    ],
    ids=["EfficientNet-Lite0", "EfficientNet-Lite1", "EfficientNet-Lite2", "ViT-S/14"],
)
def test_a_teacher_keeps_its_own_last_layer_and_takes_images_of_any_size(
    build: Any, load: Any, last: dict[str, Any], shape: tuple[int, int], pooled: int, named: str
) -> None:
    first, second = build(), build()
    for parameter in first.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    state = {name: array.numpy() for name, array in first.state_dict().items() if not name.startswith("fc.")}
    own = second.fc.weight.clone()
    load(second, state | last, "weights")
    assert torch.equal(second.fc.weight, own)
    images = torch.rand(1, 1, *shape)
    assert features(second.eval(), images).shape == (1, pooled)
    assert torch.equal(features(second, images), features(first.eval(), images))
    with pytest.raises(ConfigurationError, match=f"weights is not {named}"):
        load(second, {"conv1.weight": np.zeros((1, 1))}, "weights")


def test_the_positions_of_a_vision_transformer_are_where_its_patches_are() -> None:
    network = Vit().eval()
    torch.nn.init.zeros_(network.embeddings.projection.weight)
    network.embeddings.projection.bias.data.zero_()
    rows = torch.linspace(0, 1, GRID)[:, None].expand(GRID, GRID).flatten()
    network.embeddings.position_embeddings.data[0, 1:, 0] = rows
    tokens = network.embeddings(torch.zeros(1, 3, 28, 42))[0, :, 0].detach()
    assert tokens.tolist() == pytest.approx([0, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75], abs=0.03)
