"""Recipes that describe no training are refused in one line that says what to do, before images are read."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.errors import ConfigurationError
from gateway.training.recipe import LungRecipe, Recipe, read_recipe

CONFIG = Path(__file__).parents[3] / "config"
PLAIN = {"objective": "classify", "augmentation": "some", "samples": 8}
CLASSES = {"NORMAL": "Normal", "PNEUMONIA": "Pneumonia"}
HOME = {"name": "home", "folder": "home", "classes": CLASSES}
AWAY = {"name": "away", "folder": "away", "table": "away.csv"}
FIRST = PLAIN | {"name": "first"}
TEACHER = {"weights": "first", "size": 32}
CONTENT: dict[str, Any] = {
    "name": "tiny",
    "version": "1",
    "out": "out",
    "sources": [HOME, AWAY],
    "augmentations": {"some": {}},
    "stages": [FIRST],
}
STAGE: dict[str, Any] = {"name": "lungs", "objective": "segment", "augmentation": "", "samples": 8}
LUNGS: dict[str, Any] = {
    "kind": "lungs",
    "name": "tiny",
    "version": "1",
    "out": "out",
    "masks": [{"name": "drawn", "masks": "masks", "images": "images", "pattern": "^(.+)$"}],
    "augmentation": {},
    "stage": STAGE,
}


def written(tmp_path: Path, content: dict[str, Any]) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def refused(path: Path, *, complete: bool = False) -> list[str]:
    """Return the lines by which a recipe is refused; each must name the recipe."""
    with pytest.raises(ConfigurationError) as error:
        read_recipe(path, complete=complete)
    lines = str(error.value).splitlines()
    assert all(str(path) in line for line in lines)
    return lines


def stages(*others: dict[str, Any]) -> dict[str, Any]:
    return {"stages": [FIRST, *(PLAIN | each for each in others)]}


def stage(**keys: Any) -> dict[str, Any]:
    return {"stages": [FIRST | keys]}


def source(**keys: Any) -> dict[str, Any]:
    return {"sources": [HOME | keys]}


FAULTY: list[tuple[dict[str, Any], str]] = [
    # numbers of nonsense
    (stage(rate=float("nan")), "stages.0.rate: must be a finite number, not nan"),
    (stage(rate=-1), "stages.0.rate: must be more than 0, not -1"),
    (stage(rate="fast"), "stages.0.rate: must be a number, not 'fast'"),
    (stage(samples=-4), "stages.0.samples: must be 1 or more, not -4"),
    (stage(samples=True), "stages.0.samples: must be a number, not true"),
    (stage(samples=1.5), "stages.0.samples: must be a whole number, not 1.5"),
    (stage(size=1), "stages.0.size: must be 16 or more, not 1"),
    (stage(size=100000), "stages.0.size: must be 512 or less, not 100000"),
    (stage(batch=1), "stages.0.batch: must be 2 or more, not 1"),
    (stage(seconds=0), "stages.0.seconds: must be more than 0, not 0"),
    (stage(smoothing=1), "stages.0.smoothing: must be less than 1, not 1"),
    (stage(seed=-1), "stages.0.seed: must be 0 or more, not -1"),
    ({"augmentations": {"some": {"noise": float("inf")}}}, "augmentations.some.noise: must be a finite num"),
    ({"augmentations": {"some": {"zoom": [1.1, 0.5]}}}, "zoom: must be the least and the greatest, not 1.1"),
    ({"augmentations": {"some": {"zoom": [0.5]}}}, "augmentations.some.zoom.1: must be stated"),
    ({"augmentations": {"some": {"rotate": 4}}}, "some.rotate: there is no such key; did you mean 'rotatio"),
    (source(validation=0.8, heldout=0.4), "sources.0: validation 0.8 and heldout 0.4 are more than the who"),
    (source(weights={"Normal": -1}), "sources.0.weights.Normal: must be 0 or more, not -1"),
    # names and forms
    ({"epochs": 3}, "epochs: there is no such key"),
    ({"version": 1.0}, "version: must be text, in quotes, not 1.0"),
    ({"version": None}, "version: is empty; state a value, or remove the line"),
    ({"out": ""}, "out: must not be empty"),
    ({"device": "gpu"}, "device: must be auto, cpu, cuda or cuda:NUMBER, not 'gpu'"),
    ({"kind": "lung"}, "kind: must be classifier or lungs, not 'lung'; did you mean 'lungs'?"),
    ({"masks": []}, "masks: is for a recipe of the kind lungs; state kind: lungs"),
    ({"stages": []}, "stages: must not be empty"),
    ({"sources": [HOME | {"table": "x.csv"}]}, "sources.0: must state classes or a table, and not both"),
    (source(classes={}), "sources.0: must state classes or a table, and not both"),
    (source(classes={"NORMAL": "Norml"}), "classes.NORMAL: must be 'Normal' or 'Pneumonia', not 'Norml'; d"),
    (source(weights={"Pneumonja": 1}), "Pneumonja: must be 'Normal' or 'Pneumonia', not 'Pneumonja'; did y"),
    (source(patient="^person("), "sources.0.patient: must be a regular expression: missing ), unterminated"),
    (source(patient="^person"), "sources.0.patient: must hold what is meant in round brackets, as ^(.*)$"),
    ({"lungs": {"weights": "lungs.safetensors", "region": "circle"}}, "lungs.region: must be 'box' or 'hul"),
    (stage(name="a.b"), "stages.0.name: must be letters, digits, hyphens and underscores alone"),
    (stage(name="../a"), "stages.0.name: must be letters, digits, hyphens and underscores alone"),
    (stage(network="resnet-50"), "stages.0.network: must be 'resnet50', 'efficientnet-lite0',"),
    ({"test": {"name": "t", "folder": "t", "classes": {"a": "Normal"}}}, "test.classes: must have 2 items"),
    # between parts
    ({"sources": [HOME, HOME]}, "sources: the name 'home' is used more than once"),
    (stages(FIRST), "stages: the name 'first' is used more than once"),
    (stage(name="cache"), "stages.0.name: 'cache' is a folder of the images"),
    (stage(augmentation="sone"), "there is no augmentation 'sone'; there are: some; did you mean 'some'?"),
    (stage(sources=["hone"]), "there is no source 'hone'; there are home, away; did you mean 'home'?"),
    (stage(hull=0.5), "stages.0.hull: needs lungs: state lungs.weights, or remove hull"),
    (stage(objective="segment"), "stages.0.objective: segment is for a recipe of the kind lungs"),
    (stage(objective="distil"), "stages.0.teachers: must be stated: the stage is to distil"),
    (stage(objective="average"), "stages.0.members: must be stated: the stage is to average"),
    (stage(objective="contrast", network="vit-s14"), "stages.0.network: must be resnet50 for contrast"),
    (stages({"name": "b", "members": ["first"]}), "stages.1.members: has no effect: the stage is to classi"),
    (stage(start="first"), "stages.0.start: is the stage itself; name an earlier stage, or a file"),
    ({"stages": [FIRST | {"start": "b"}, PLAIN | {"name": "b"}]}, "stages.0.start: the stage 'b' comes lat"),
    (stage(start="frist"), "stages.0.start: there is no stage 'frist', and the name of a file holds a dot"),
    (stages({"name": "b", "start": "frist"}), "name of a file holds a dot; did you mean 'first'?"),
    (
        {"stages": [FIRST | {"network": "efficientnet-lite2"}, PLAIN | {"name": "b", "start": "first"}]},
        "stages.1.start: the stage 'first' is of efficientnet-lite2, this one of resnet50",
    ),
    (
        {"stages": [FIRST | {"network": "vit-s14"}, PLAIN | {"name": "b"},
                    PLAIN | {"name": "c", "objective": "average", "members": ["b", "first"]}]},
        "stages.2.members.1: the stage 'first' is of vit-s14, this one of resnet50",
    ),
    (
        stages({"name": "b", "objective": "average", "members": ["b"]}),
        "stages.1.members.0: is the stage itself",
    ),
    (
        stages({"name": "b", "objective": "average", "members": ["first", "first"]}),
        "stages.1.members: 'first' is named more than once",
    ),
    (
        {"stages": [FIRST | {"objective": "contrast"},
                    PLAIN | {"name": "b", "objective": "distil", "teachers": [TEACHER]}]},
        "stages.1.teachers.0.weights: the stage 'first' learns no classes",
    ),
    (
        stages({"name": "b", "objective": "distil", "teachers": [TEACHER | {"sources": ["home"]}]}),
        "stages.1.teachers: no teacher has the source away; add it to a teacher",
    ),
    (source(validation=0), "sources: no source keeps patients apart to choose the model by; state validati"),
    (source(external=True), "sources: no source keeps patients apart to choose the model by"),
    (source(weights={"Normal": 0, "Pneumonia": 0}), "stages.0.sources: no source gives images of Normal; s"),
    (source(classes={"NORMAL": "Normal"}), "stages.0.sources: no source gives images of Pneumonia"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), FAULTY, ids=[told[:60] for _, told in FAULTY])
def test_a_wrong_recipe_is_refused_in_one_line(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    lines = refused(written(tmp_path, CONTENT | change))
    assert any(told in line for line in lines), lines


def test_every_problem_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    wrong = CONTENT | {"epochs": 3, "stages": [FIRST | {"rate": -1, "size": 1}]}
    path.write_text(yaml.safe_dump(wrong, sort_keys=False))
    numbers = {line.split(":")[0].strip(): i for i, line in enumerate(path.read_text().splitlines(), 1)}
    assert refused(path) == [
        f"stages.0.size: must be 16 or more, not 1 ({path}, line {numbers['size']})",
        f"stages.0.rate: must be more than 0, not -1 ({path}, line {numbers['rate']})",
        f"epochs: there is no such key ({path}, line {numbers['epochs']})",
    ]


def test_a_key_that_is_stated_twice_is_not_taken_for_one(tmp_path: Path) -> None:
    path = written(tmp_path, CONTENT)
    path.write_text(f"{path.read_text()}out: elsewhere\n")
    (line,) = refused(path)
    assert line.startswith("out: is stated more than once, also in line")


def test_the_last_stage_makes_a_model(tmp_path: Path) -> None:
    lite = written(tmp_path, CONTENT | stage(network="efficientnet-lite2"))
    assert "the last stage makes the model, which is a resnet50" in refused(lite, complete=True)[0]
    assert read_recipe(lite)
    contrast = written(tmp_path, CONTENT | stage(objective="contrast"))
    assert "contrast learns no classes" in refused(contrast, complete=True)[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"masks": []}, "masks: must not be empty"),
        ({"stage": STAGE | {"objective": "classify"}}, "stage.objective: must be segment, not classify"),
        ({"stage": STAGE | {"size": 100}}, "stage.size: must be a multiple of 32, not 100"),
        ({"stage": STAGE | {"start": "a.pth"}}, "stage.start: has no effect on the lung network; remove it"),
        ({"shares": [0, 0.5, 0.5]}, "shares: of 256 images in a batch none has a mask"),
        ({"shares": [0.5, 0.5]}, "shares.2: must be stated"),
        ({"stages": []}, "stages: there is no such key; did you mean 'stage'?"),
    ],
)
def test_a_wrong_recipe_of_lungs_is_refused_in_one_line(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    lines = refused(written(tmp_path, LUNGS | change))
    assert any(told in line for line in lines), lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "name: must be stated"),
        ("- a\n", "must hold keys and values, as KEY: VALUE, not a list"),
        ("stages: [\n", "is not YAML: line"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(text)
    assert any(told in line for line in refused(path))
    path.unlink()
    assert refused(path) == [f"{path}: cannot be read: no such recipe; name a file like config/train.yaml"]


@pytest.mark.parametrize("name", ["train.yaml", "train-1.1.0.yaml", "train-card.yaml"])
def test_the_recipes_that_ship_are_valid(name: str) -> None:
    read = read_recipe(CONFIG / name, complete=True)
    assert isinstance(read, Recipe)
    assert read.stages[-1].size == 224


def test_the_arms_and_the_lungs_that_ship_are_valid() -> None:
    assert isinstance(read_recipe(CONFIG / "compare.yaml"), Recipe)
    assert isinstance(read_recipe(CONFIG / "train-lungs.yaml"), LungRecipe)


def test_a_stage_without_some_sources_is_taught_by_the_others(tmp_path: Path) -> None:
    taught = {"name": "b", "objective": "distil", "teachers": [TEACHER | {"sources": ["home"]}]}
    assert read_recipe(written(tmp_path, CONTENT | stages(taught | {"sources": ["home"]})), complete=True)
