"""Sources that a table describes: labels, patients, parts, and problems in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.training.recipe import Recipe
from gateway.training.recipe.sources import DetectorSource
from gateway.training.samples import check_split, find_samples
from gateway.training.tables import labelled_rows, read_table

Radiographs = Callable[[Path, int, int], None]


@pytest.fixture
def table(tmp_path: Path, radiographs: Radiographs) -> Path:
    """Twelve images: normal, pneumonia and without a label in turn, three to a patient."""
    radiographs(tmp_path / "images", 12, 1)
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    lines = [f"{name},some label,{('0', '1', '')[i % 3]},patient-{i // 3}" for i, name in enumerate(names)]
    path = tmp_path / "images.csv"
    path.write_text("\n".join(["file,label,pneumonia,patient", *lines]) + "\n")
    return path


def recipe(root: Path, *sources: dict[str, Any]) -> Recipe:
    stage = {"name": "s", "objective": "classify", "augmentation": "none", "samples": 1}
    return Recipe.model_validate(
        {
            "name": "m",
            "version": "1",
            "root": root,
            "out": root / "out",
            "sources": list(sources),
            "augmentations": {"none": {}},
            "stages": [stage],
        }
    )


TABLE = {"name": "hospital", "folder": "images", "table": "images.csv"}


@pytest.mark.usefixtures("table")
def test_a_table_gives_class_and_patient_and_unlabelled_images_are_not_used(tmp_path: Path) -> None:
    samples = find_samples(recipe(tmp_path, TABLE))
    assert [sample.label for sample in samples] == [0, 1] * 4
    assert {sample.patient for sample in samples} == {f"patient-{i}" for i in range(4)}
    check_split(samples)


def test_images_named_by_another_table_are_left_out(tmp_path: Path, table: Path) -> None:
    names = [row.path.name for row in read_table(table, tmp_path / "images")]
    (tmp_path / "doubtful.csv").write_text(f"found,why\n{names[0]},a copy\n")
    samples = find_samples(recipe(tmp_path, TABLE | {"left_out": "doubtful.csv"}))
    assert len(samples) == 7
    assert names[0] not in {sample.path.name for sample in samples}


@pytest.mark.usefixtures("table")
def test_patients_of_a_hospital_apart_are_external_not_validation(tmp_path: Path) -> None:
    samples = find_samples(recipe(tmp_path, TABLE | {"validation": 1.0, "external": True}))
    assert {sample.part for sample in samples} == {"external"}


@pytest.mark.usefixtures("table")
def test_a_source_on_both_sides_of_a_split_is_refused(tmp_path: Path) -> None:
    trained = TABLE | {"validation": 0.0}
    apart = TABLE | {"name": "again", "validation": 1.0, "external": True}
    with pytest.raises(
        ConfigurationError, match=r"source hospital \(.*train\) and in source again \("
    ) as refused:
        check_split(find_samples(recipe(tmp_path, trained, apart)))
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("table")
def test_an_image_of_the_test_set_is_no_training_image(tmp_path: Path) -> None:
    samples = find_samples(recipe(tmp_path, TABLE | {"validation": 0.4}))
    with pytest.raises(ConfigurationError, match=r"is in source hospital \(.*\) and in the test set"):
        check_split(samples, [(samples[0].path, "the test set")])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file,label,pneumonia,patient\nmissing.png,x,1,p\n", "line 2, names missing.png, which is not in"),
        ("file,label\na.png,x\n", "has no column patient, pneumonia"),
        ("", "is empty"),
    ],
)
def test_a_wrong_table_is_named_in_one_line(tmp_path: Path, table: Path, text: str, complaint: str) -> None:
    table.write_text(text)
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        find_samples(recipe(tmp_path, TABLE))
    assert str(table) in str(refused.value)
    table.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        find_samples(recipe(tmp_path, TABLE))


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("pneumonia", "yes", "line 2: pneumonia must be 1, 0 or empty, not 'yes'"),
        ("pneumonia", "1.0", "line 2: pneumonia must be 1, 0 or empty, not '1.0'"),
        ("file", "", "line 2, names no file: fill in the column file, or remove the line"),
        ("file", None, "line 2, names no file"),
    ],
)
def test_a_value_that_nobody_means_is_no_normal_image(
    tmp_path: Path, table: Path, column: str, value: str | None, complaint: str
) -> None:
    first = table.read_text().splitlines()[1].split(",")[0]
    row = {"label": "x", "pneumonia": "1", "patient": "p", "file": first} | {column: value or ""}
    of = ("label", "pneumonia", "patient", "file")
    cells = [row[name] for name in of if value is not None or name != column]
    table.write_text(f"{','.join(of)}\n{','.join(cells)}\n")
    with pytest.raises(ConfigurationError, match=complaint):
        find_samples(recipe(tmp_path, TABLE))


def test_spaces_and_columns_without_a_name_are_no_problem(tmp_path: Path, table: Path) -> None:
    first = table.read_text().splitlines()[1].split(",")[0]
    table.write_text(f"file,label,pneumonia,patient\n {first} , x , 1 , p , more, and more\n")
    (row,) = read_table(table, tmp_path / "images")
    assert (row.path.name, row.label, row.pneumonia, row.patient) == (first, "x", "1", "p")


@pytest.mark.usefixtures("table")
def test_a_table_of_images_to_leave_out_names_some(tmp_path: Path) -> None:
    (tmp_path / "doubtful.csv").write_text("found\nanother.png\n")
    with pytest.raises(ConfigurationError, match="names no image of source hospital"):
        find_samples(recipe(tmp_path, TABLE | {"left_out": "doubtful.csv"}))


@pytest.mark.usefixtures("table")
def test_a_frontal_label_that_no_row_has_makes_no_chest_something_else(tmp_path: Path) -> None:
    source = DetectorSource(
        name="x", folder=Path("images"), table=Path("images.csv"), frontal=("some lable",)
    )
    with pytest.raises(ConfigurationError, match=r"no label .some lable., .*did you mean .some label"):
        labelled_rows(tmp_path, source)
