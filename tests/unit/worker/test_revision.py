"""What changes an answer, or a result's bytes, changes the revision that is part of the result's UID."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import gateway.worker.revision
from gateway import __version__
from gateway.settings import Settings
from gateway.worker.answering import answering_of, configuration_hash
from gateway.worker.revision import REVISION, SOFTWARE_VERSION, digest, write
from tests.support.answers import MODEL

PACKAGE = Path(gateway.worker.revision.__file__).parents[1]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a copy of the package's sources."""
    copy = tmp_path / "gateway"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "weights", "static"))
    return copy


def test_the_revision_is_that_of_the_files() -> None:
    assert digest() == REVISION, (
        "dicom, imaging, model, results, pipeline or records have changed: run `make revision` "
        "(python -m gateway.worker.revision) and commit gateway/worker/revision.py"
    )


@pytest.mark.parametrize(
    "file",
    [
        *("dicom/character_sets.py", "imaging/eligibility.py", "imaging/grayscale.py", "model/abstention.py"),
        *("results/content_tree.py", "results/picture.py", "worker/pipeline.py", "records/model.py"),
        *("worker/answering.py", "worker/ends.py", "worker/image.py", "worker/inference.py"),
        *("worker/encode.py", "worker/source_file.py", "worker/stages.py"),
    ],
)
def test_a_change_of_a_file_changes_it(package: Path, file: str) -> None:
    with (package / file).open("a") as source:
        source.write("# changed\n")
    assert digest(package) != digest()


def test_a_new_file_and_a_renamed_one_change_it(package: Path) -> None:
    (package / "imaging" / "new.py").write_text("")
    with_new = digest(package)
    (package / "imaging" / "new.py").rename(package / "results" / "new.py")
    assert len({digest(), with_new, digest(package)}) == 3


@pytest.mark.parametrize("file", ["training/train.py", "worker/engine.py", "web/site.py"])
def test_what_never_answers_does_not_count(package: Path, file: str) -> None:
    with (package / file).open("a") as source:
        source.write("# changed\n")
    assert digest(package) == digest()


def test_the_command_writes_it_down_and_changes_nothing_else(package: Path) -> None:
    (package / "results" / "answer.py").write_text("")
    before = (package / "worker" / "revision.py").read_text()
    revision = write(package)
    assert revision == digest(package) != REVISION
    assert (package / "worker" / "revision.py").read_text() == before.replace(
        f'REVISION = "{REVISION}"', f'REVISION = "{revision}"'
    )


def test_it_is_part_of_what_names_an_answer() -> None:
    answering = answering_of(Settings(), MODEL)
    assert answering["software_version"] == SOFTWARE_VERSION
    assert f"{__version__}+{REVISION}" == SOFTWARE_VERSION
    other = answering | {"software_version": "another"}
    assert configuration_hash(other) != configuration_hash(answering)
