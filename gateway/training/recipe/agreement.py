"""Problems between the parts of a recipe, each of which is valid by itself. `read_recipe` calls it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from gateway.training.recipe.part import Class
from gateway.training.recipe.sources import DataSource
from gateway.training.recipe.stages import TrainingStage, is_file
from gateway.training.recipe.whole import LungRecipe, Recipe
from gateway.yaml_files.wording import Problem, did_you_mean
from gateway.yaml_files.yaml_file import Location

KEPT_NAMES = {"cache"}
"""Folders of the output folder that are no stage's."""

_NEEDED = {"distil": "teachers", "average": "members"}
_LUNG_STAGE = ("start", "teachers", "members", "sources", "hull")
"""Keys of a stage that have no effect on the lung network."""


def problems_across(recipe: Recipe | LungRecipe) -> list[Problem]:
    """Return every problem between parts."""
    if isinstance(recipe, LungRecipe):
        return [*_repeated("masks", [each.name for each in recipe.masks]), *_lung_stage(recipe)]
    stages = [(("stages", i), stage) for i, stage in enumerate(recipe.stages)]
    return [
        *_repeated("sources", [each.name for each in recipe.sources]),
        *_repeated("detector", [each.name for each in recipe.detector]),
        *_repeated("stages", [each.name for each in recipe.stages]),
        *_sources(recipe),
        *(problem for key, stage in stages for problem in _stage(recipe, key, stage)),
    ]


def problems_of_the_last_stage(recipe: Recipe) -> Iterator[Problem]:
    """Yield why the last stage makes no model that the gateway can use."""
    key, last = ("stages", len(recipe.stages) - 1), recipe.stages[-1]
    if last.network != "resnet50":
        told = f"the last stage makes the model, which is a resnet50, not a {last.network}"
        yield Problem((*key, "network"), f"{told}; add a stage that is to distil it, or train it by --stage")
    if last.objective == "contrast":
        told = "the last stage makes the model, and contrast learns no classes"
        yield Problem((*key, "objective"), f"{told}; add a stage that is to classify, or train it by --stage")


def _repeated(key: str, names: Sequence[str]) -> Iterator[Problem]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem((key,), f"the name {name!r} is used more than once; give each its own")


def _sources(recipe: Recipe) -> Iterator[Problem]:
    if all(source.external or not source.validation for source in recipe.sources):
        told = "no source keeps patients apart to choose the model by"
        yield Problem(("sources",), f"{told}; state validation: 0.1 of one that is not external")


def _stage(recipe: Recipe, key: Location, stage: TrainingStage) -> Iterator[Problem]:
    yield from _names(recipe, key, stage)
    yield from _objective(key, stage)
    yield from _weights(recipe, key, stage)
    yield from _classes(recipe, key, stage)
    if stage.hull and recipe.lungs is None:
        yield Problem((*key, "hull"), "needs lungs: state lungs.weights, or remove hull")
    taught = {name for teacher in stage.teachers for name in teacher.sources}
    alone = [source.name for source in drawn_from(recipe, stage) if source.name not in taught]
    if alone and stage.teachers and all(teacher.sources for teacher in stage.teachers):
        told = f"no teacher has the source {', '.join(alone)}"
        yield Problem((*key, "teachers"), f"{told}; add it to a teacher, or leave it out of the stage")


def drawn_from(recipe: Recipe, stage: TrainingStage) -> tuple[DataSource, ...]:
    """Return the sources of a stage."""
    return tuple(each for each in recipe.sources if not stage.sources or each.name in stage.sources)


def _names(recipe: Recipe, key: Location, stage: TrainingStage) -> Iterator[Problem]:
    """Yield names of sources and of an augmentation that do not exist, and a name that is taken."""
    if stage.name in KEPT_NAMES:
        yield Problem((*key, "name"), f"{stage.name!r} is a folder of the images; choose another name")
    sources = [source.name for source in recipe.sources]
    named = [((*key, "sources", i), name) for i, name in enumerate(stage.sources)]
    for j, teacher in enumerate(stage.teachers):
        named += [((*key, "teachers", j, "sources", i), name) for i, name in enumerate(teacher.sources)]
    for where, name in named:
        if name not in sources:
            told = f"there is no source {name!r}; there are {', '.join(sources)}"
            yield Problem(where, f"{told}{did_you_mean(name, sources)}")
    if stage.augmentation not in recipe.augmentations:
        there = ", ".join(recipe.augmentations) or "none"
        meant = did_you_mean(stage.augmentation, [*recipe.augmentations])
        told = f"there is no augmentation {stage.augmentation!r}; there are: {there}{meant}"
        yield Problem((*key, "augmentation"), told)


def _objective(key: Location, stage: TrainingStage) -> Iterator[Problem]:
    """Yield what an objective lacks, and what has no effect on it."""
    if stage.objective == "segment":
        yield Problem((*key, "objective"), "segment is for a recipe of the kind lungs; choose another")
    if stage.objective == "contrast" and stage.network != "resnet50":
        yield Problem((*key, "network"), f"must be resnet50 for contrast, not {stage.network}")
    for objective, name in _NEEDED.items():
        stated = bool(getattr(stage, name))
        if objective == stage.objective and not stated:
            yield Problem((*key, name), f"must be stated: the stage is to {objective}")
        if objective != stage.objective and stated:
            told = f"has no effect: the stage is to {stage.objective}, not to {objective}"
            yield Problem((*key, name), f"{told}; remove it, or change the objective")
    if stage.objective == "average" and stage.start:
        yield Problem((*key, "start"), "has no effect: the stage averages its members; remove it")


def _weights(recipe: Recipe, key: Location, stage: TrainingStage) -> Iterator[Problem]:
    """Yield the stages that a stage cannot begin with, imitate or average."""
    references = [((*key, "start"), stage.start, stage.network)] if stage.start else []
    references += [((*key, "members", i), name, stage.network) for i, name in enumerate(stage.members)]
    taught = [((*key, "teachers", i, "weights"), each.weights, None) for i, each in enumerate(stage.teachers)]
    for where, name, network in [*references, *taught]:
        if not is_file(name) and (told := _reference(recipe, stage, name, network)):
            yield Problem(where, told)
    if stage.network != "resnet50":
        for i, name in enumerate(stage.members):
            if is_file(name):
                told = f"must be a stage: files are of a resnet50, not {stage.network}"
                yield Problem((*key, "members", i), told)
    for name in sorted({name for name in stage.members if stage.members.count(name) > 1}):
        yield Problem((*key, "members"), f"{name!r} is named more than once; remove one")


def _reference(recipe: Recipe, stage: TrainingStage, name: str, network: str | None) -> str | None:
    """Return why a stage cannot use the weights of another one; `network`: which it must be of."""
    names = [each.name for each in recipe.stages]
    if name not in names:
        earlier = names[: names.index(stage.name)]
        told = f"there is no stage {name!r}, and the name of a file holds a dot"
        return f"{told}{did_you_mean(name, earlier) or '; name an earlier stage, or a file'}"
    other = recipe.stages[names.index(name)]
    if other.name == stage.name:
        return "is the stage itself; name an earlier stage, or a file"
    if names.index(name) > names.index(stage.name):
        return f"the stage {name!r} comes later; move it before this one, or name an earlier stage"
    if network and other.network != network:
        return f"the stage {name!r} is of {other.network}, this one of {network}; name one of the same"
    if network is None and other.objective == "contrast":
        return f"the stage {name!r} learns no classes, which could be imitated; name one that is to classify"
    return None


def _classes(recipe: Recipe, key: Location, stage: TrainingStage) -> Iterator[Problem]:
    """Yield the classes that no source of a stage has a weight for."""
    drawn = drawn_from(recipe, stage)
    for name in get_args(Class):
        if drawn and not any(source.weights.get(name, 0) > 0 and _may_hold(source, name) for source in drawn):
            told = f"no source gives images of {name}"
            yield Problem((*key, "sources"), f"{told}; state a weight of {name} above 0, or add a source")


def _may_hold(source: DataSource, name: str) -> bool:
    return bool(source.table) or name in source.classes.values()


def _lung_stage(recipe: LungRecipe) -> Iterator[Problem]:
    stage = recipe.stage
    if stage.objective != "segment":
        yield Problem(("stage", "objective"), f"must be segment, not {stage.objective}")
    if stage.size % 32:
        yield Problem(("stage", "size"), f"must be a multiple of 32, not {stage.size}")
    for name in _LUNG_STAGE:
        if getattr(stage, name):
            yield Problem(("stage", name), "has no effect on the lung network; remove it")
    if round(stage.batch * recipe.shares[0]) < 1:
        told = f"of {stage.batch} images in a batch none has a mask"
        yield Problem(("shares",), f"{told}; raise the first share, or stage.batch")
