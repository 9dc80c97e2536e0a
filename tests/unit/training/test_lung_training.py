"""A training of the lung network of a few seconds, and what its recipe may not say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image, ImageDraw

from gateway.errors import ConfigurationError
from gateway.model.lung_network import LungNetwork
from gateway.model.lungs import show
from gateway.records import Box, Lungs
from gateway.training import crops
from gateway.training.crops import LungCropper, cropper, read_lung_network, whole_images
from gateway.training.recipe import LungRecipe, read_recipe
from gateway.training.recipe.stages import LungStep
from gateway.training.train import train

SILENT: Callable[..., None] = lambda *_: None  # noqa: E731
LUNGS = ((40, 50, 100, 180), (125, 50, 185, 180))  # boxes of ellipses, in pixels of 224


def chest(folder: Path, name: str) -> None:
    """Write a radiograph with two dark ellipses, and its mask."""
    image, mask = Image.new("L", (224, 224), 170), Image.new("L", (224, 224))
    for box in LUNGS:
        ImageDraw.Draw(image).ellipse(box, fill=50)
        ImageDraw.Draw(mask).ellipse(box, fill=255)
    for part, picture in (("images", image), ("masks", mask)):
        (folder / part).mkdir(exist_ok=True)
        picture.save(folder / part / f"{name}.png")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    for i in range(8):
        chest(tmp_path, f"p{i}")
    (tmp_path / "looks").mkdir()
    Image.new("L", (224, 224), 90).save(tmp_path / "looks" / "a.png")
    (tmp_path / "other").mkdir()
    Image.new("L", (224, 224), 30).save(tmp_path / "other" / "knee.png")
    (tmp_path / "other.csv").write_text("file,label,pneumonia,patient\nknee.png,Knee,,k\n")
    content = {
        "kind": "lungs",
        "name": "tiny-lungs",
        "version": "1",
        "root": str(tmp_path),
        "out": str(tmp_path / "out"),
        "device": "cpu",
        "masks": [{"name": "drawn", "masks": "masks", "images": "images", "pattern": "^(p.+)$",
                   "validation": 0.4}],
        "without_lungs": [{"name": "knees", "folder": "other", "table": "other.csv", "heldout": 0}],
        "looks": ["looks"],
        "augmentation": {"rotation": 5, "zoom": [0.9, 1.1], "shift": 0.02, "aspect": 0.1, "tones": 0.2},
        "stage": {
            "name": "lungs", "objective": "segment", "augmentation": "", "size": 96, "batch": 8,
            "samples": 240, "optimiser": "adam", "rate": 0.01, "average": 0.8,
        },
    }  # fmt: skip
    path = tmp_path / "train-lungs.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.slow  # half a minute of processor time
def test_a_training_leaves_weights_a_card_and_pictures(recipe: Path) -> None:
    out = train(recipe, SILENT)
    card = yaml.safe_load((out / "lungs.yaml").read_text())
    assert card["figures"]["drawn"]["dice"] > 0.3  # after thirty small batches
    assert (out / "masks.png").exists()
    chest = np.asarray(Image.open(recipe.parent / "images" / "p0.png"))
    seen = cropper(LungStep(weights=out / "lungs.safetensors"), torch.device("cpu"))(chest[None])
    assert seen.pixels.shape == (1, 224, 224)


def test_training_crops_as_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classifier sees the crop of a tensor in a running model, and its grey levels in training."""
    found = Lungs(Box(0.1, 0.2, 0.83, 0.95), 0.3, ((), ()), ())
    monkeypatch.setattr(crops, "find_lungs", lambda *_: found)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224), np.uint8)
    step = LungStep(weights=Path("lungs.safetensors"))
    seen = LungCropper(step, LungNetwork().eval(), torch.device("cpu"))(pixels)
    tensors = np.repeat(pixels[:, None].astype(np.float32) / 127.5 - 1, 3, axis=1)
    expected = show(tensors, [found, found]).images[:, 0]
    assert np.abs((seen.pixels / 127.5 - 1) - expected).max() <= 1 / 127.5


def test_without_a_lung_network_whole_images_are_seen() -> None:
    pixels = np.zeros((3, 224, 224), np.uint8)
    seen = whole_images(pixels)
    assert seen.pixels is pixels
    assert not seen.no_lungs.any()


def test_a_mask_without_an_image_and_an_empty_mask_are_refused_before_training(recipe: Path) -> None:
    folder = recipe.parent
    (folder / "images" / "p3.png").rename(folder / "p3.png")
    with pytest.raises(ConfigurationError, match=r"p3\.png has no image p3"):
        train(recipe, SILENT)
    (folder / "p3.png").rename(folder / "images" / "p3.png")
    Image.new("L", (224, 224)).save(folder / "masks" / "p4.png")
    with pytest.raises(
        ConfigurationError,
        match=r"p4\.png does not show two lungs side by side",
    ):
        train(recipe, SILENT)
    assert not (folder / "out").exists()


def test_an_inverted_mask_is_refused_before_training(recipe: Path) -> None:
    inverted = Image.new("L", (224, 224), 255)
    for left, top, right, bottom in LUNGS:  # larger, so that what is white looks like two lungs
        ImageDraw.Draw(inverted).ellipse((left - 6, top - 6, right + 6, bottom + 6), fill=0)
    inverted.save(recipe.parent / "masks" / "p4.png")
    with pytest.raises(ConfigurationError, match=r"p4\.png does not .* \(it is white along its edges"):
        train(recipe, SILENT)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"conv.weight": torch.zeros(1)}, tmp_path / "vgg.safetensors")
    with pytest.raises(ConfigurationError, match=r"vgg\.safetensors is not a lung network"):
        read_lung_network(tmp_path / "vgg.safetensors")


def test_the_recipe_that_ships_is_valid(recipe: Path) -> None:
    read = read_recipe(Path(__file__).parents[3] / "config" / "train-lungs.yaml")
    assert isinstance(read, LungRecipe)
    assert read.stage.objective == "segment"
    content = yaml.safe_load(recipe.read_text())
    del content["masks"]
    recipe.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match="masks: must be stated"):
        read_recipe(recipe)


def test_no_images_are_cropped_to_none() -> None:
    crop = LungCropper(LungStep(weights=Path("x")), LungNetwork().eval(), torch.device("cpu"))
    pixels, no_lungs = crop(np.empty((0, 224, 224), np.uint8))
    assert (pixels.shape, no_lungs.shape) == ((0, 224, 224), (0,))
