"""The images of a recipe: data sets, lung masks, images for the detector, and the test set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from gateway.training.recipe.part import Class, Fraction, Frozen, Pattern, Text

Weight = Annotated[float, Field(ge=0)]


class DataSource(Frozen):
    """One data set: a folder with one sub-folder or more for each class, or a folder with a table.

    Attributes
    ----------
    folder
        Folder of the publisher's unpacked archive, relative to `Recipe.root`.
    classes
        Sub-folder of `folder` → class.
    table
        In the place of `classes`: CSV file, relative to `Recipe.root`, with the columns `file` (in `folder`),
        `patient` and `pneumonia` (1, 0, or empty: no label, not used).
    left_out
        CSV file, relative to `Recipe.root`, whose first column names files that are not used.
    weights
        Class → share of each batch, in any unit; other classes are not drawn.
    patient
        Regular expression for the stem of a file name; the first group is the patient. For `classes` alone.
    validation, heldout
        Shares of the patients, 0–1, for choosing the model and for measuring the chosen model.
    external
        The validation part stands for hospitals that the model does not know: unchanged, together with the
        other external ones, and neither temperature nor limits are fitted to it.
    """

    name: Text
    folder: Path
    classes: dict[str, Class] = Field(default={})
    table: Path | None = None
    left_out: Path | None = None
    weights: dict[Class, Weight] = Field(default={"Normal": 1.0, "Pneumonia": 1.0})
    patient: Pattern = r"^(.*)$"
    validation: Fraction = 0.1
    heldout: Fraction = 0.0
    external: bool = False

    @model_validator(mode="after")
    def _one_description(self) -> DataSource:
        if bool(self.classes) == bool(self.table):
            raise ValueError("must state classes or a table, and not both")
        return self

    @model_validator(mode="after")
    def _all_is_no_more_than_the_whole(self) -> DataSource:
        if self.validation + self.heldout > 1:
            told = f"validation {self.validation:g} and heldout {self.heldout:g} are more than the whole"
            raise ValueError(f"{told}: lower one of them")
        return self


class DetectorSource(Frozen):
    """Images of a CSV table that the out-of-distribution detector is fitted to and measured on.

    Attributes
    ----------
    folder, table
        Folder of images, and CSV file with the columns `file`, `patient` (empty: the file's own) and `label`.
    frontal
        Labels of frontal chest radiographs; images of every other label are negatives.
    heldout
        Share of the patients, 0–1, on whom the detector is measured, not fitted.
    """

    name: Text
    folder: Path
    table: Path
    frontal: tuple[str, ...] = ()
    heldout: Fraction = 0.5


class MaskSource(Frozen):
    """Lung masks, and the images that they belong to.

    Attributes
    ----------
    masks, images
        Folders, relative to `LungRecipe.root`; a mask is white where lung is.
    pattern
        Regular expression for the stem of a mask; the first group is the stem of its image. Others are of
        another source.
    table
        CSV file with the columns `file` and `patient` of the images; null: every image has a patient of its
        own.
    validation
        Share of the patients, 0–1, on whom Dice is measured.
    """

    name: Text
    masks: Path
    images: Path
    pattern: Pattern
    table: Path | None = None
    validation: Fraction = 0.2


class Test(Frozen):
    """A test set without images, patients or visits of the training; measured once, at the end."""

    name: Text
    folder: Path
    classes: Annotated[dict[str, Class], Field(min_length=2)]
