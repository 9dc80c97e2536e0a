"""The recipe of a model, read from YAML: sources, split, augmentations and stages.

`train` reads it. A recipe that is read is valid: unknown keys and names are errors. A recipe of the kind
`lungs` describes the lung network, any other a classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import ValidationError

from gateway.errors import ConfigurationError
from gateway.training.recipe.agreement import problems_across, problems_of_the_last_stage
from gateway.training.recipe.whole import LungRecipe, Recipe
from gateway.yaml_files.values import faulty_values
from gateway.yaml_files.wording import Problem, Wording, did_you_mean, problems_of_yaml
from gateway.yaml_files.yaml_file import YamlFile, read_yaml

__all__ = ["LungRecipe", "Recipe", "read_recipe"]

_FORMS = {
    "device": "must be auto, cpu, cuda or cuda:NUMBER",
    "name": "must be letters, digits, hyphens and underscores alone, 64 at most",
}
_KINDS = ("classifier", "lungs")


def read_recipe(path: Path, *, complete: bool = False) -> Recipe | LungRecipe:
    """Read a recipe.

    Parameters
    ----------
    complete
        Whether all stages are to run, so that the last one must make a model.

    Raises
    ------
    ConfigurationError
        The file cannot be read or does not describe a training; every problem in one line, with key and line.
        Problems between parts are told once each part is valid by itself.
    """
    file = read_yaml(path, "recipe", "name a file like config/train.yaml")

    def refuse(problems: Iterable[Problem]) -> None:
        if lines := [_told(each, file) for each in problems]:
            raise ConfigurationError("\n".join(dict.fromkeys(lines)))

    refuse([*problems_of_yaml(file), *_kind(file)])
    recipe = _valid(file, LungRecipe if file.content.get("kind") == "lungs" else Recipe, refuse)
    refuse(problems_across(recipe))
    if complete and isinstance(recipe, Recipe):
        refuse(problems_of_the_last_stage(recipe))
    return recipe


def _valid(
    file: YamlFile, kind: type[Recipe | LungRecipe], refuse: Callable[[Iterable[Problem]], None]
) -> Recipe | LungRecipe:
    wording = Wording(kind, forms=_FORMS)
    faulty = list(faulty_values(file.content, wording))
    try:
        recipe = kind.model_validate(file.content)
    except ValidationError as error:
        known = {each.key for each in faulty}
        faulty += [each for each in wording.problems_of(error) if each.key not in known]
        refuse(faulty)
        raise
    refuse(faulty)
    return recipe


def _kind(file: YamlFile) -> list[Problem]:
    """Return why the kind of a recipe is none."""
    kind = file.content.get("kind", "classifier")
    if kind not in _KINDS:
        told = f"must be classifier or lungs, not {kind!r}{did_you_mean(str(kind), _KINDS)}"
        return [Problem(("kind",), told)]
    if kind == "classifier" and "masks" in file.content:
        return [Problem(("masks",), "is for a recipe of the kind lungs; state kind: lungs")]
    return []


def _told(problem: Problem, file: YamlFile) -> str:
    where = file.where(problem.key) or f" ({file.path})"
    return f"{problem.with_key}{where}"
