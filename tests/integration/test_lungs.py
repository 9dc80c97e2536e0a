"""A model with a lung network answers: what it was shown is stated by rows, SR, SC, page and `predict`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.model.choice import EngineRules
from gateway.model.predictor import Predictor
from gateway.records import SC, SR, UNDETERMINED
from gateway.results.activation_overlay import OUTLINE_COLOUR
from gateway.settings import FolderDestination, Model, Results, Settings
from gateway.store.entries import AnswerRecord
from gateway.store.queries.views import AnswerView, ImageView
from gateway.store.requeue import Requeue
from gateway.web.site import Site
from gateway.worker.outcome import record_outcomes
from gateway.worker.predict import predict_files
from tests.support.ledger_rows import claim
from tests.support.lungs import BOTH, LEFT, RIGHT, chest, with_lungs, without_lungs
from tests.support.site import add_image, browsing, site_in
from tests.support.sources import dx, encoded
from tests.support.worker import pipeline_of

RULES = EngineRules("openvino", "float32")
ANSWERING: dict[str, Any] = {"abstention": None}  # the drawn chests are no radiographs


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Predictor]:
    """The shipped classifier without a lung network, and with the hand-made one."""
    whole, cropped = (tmp_path_factory.mktemp(name) for name in ("whole", "cropped"))
    return Predictor.open(without_lungs(whole, **ANSWERING), RULES), Predictor.open(
        with_lungs(cropped, version="2.0.0", **ANSWERING), RULES
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_in(tmp_path)


def radiograph(image: NDArray[np.float32], **attributes: Any) -> Dataset:
    """Return a DX image whose grey values are those of a drawn chest."""
    stored = np.rint((image + 1) / 2 * 4095).astype(np.uint16)
    return dx(pixels=stored, WindowCenter=2048, WindowWidth=4096, **attributes)


def answer(site: Site, model: Predictor) -> AnswerRecord:
    """Answer the image that waits."""
    pipeline = pipeline_of(site.settings, site.stores, model)
    (settled,) = pipeline.answer(claim(site.ledger, "batch"))
    assert isinstance(settled.outcome, tuple), settled.outcome
    with site.ledger.session() as session:
        record_outcomes([settled], site.ledger, session)
    return settled.outcome[0]


def shown(site: Site) -> tuple[ImageView, AnswerView]:
    (row,) = site.images.newest()
    image = site.images.shown(row.sop_instance_uid)
    assert image
    assert image.answer
    return image, image.answer


def result_of(record: AnswerRecord, kind: str) -> Dataset:
    return dcmread(next(result.path for result in record.results if result.kind == kind))


def parameters(report: Dataset) -> Sequence[str]:
    """Return the SR's algorithm parameters."""
    found: list[str] = []

    def collect(item: Dataset) -> None:
        for child in item.get("ContentSequence", ()):
            if child.ConceptNameCodeSequence[0].CodeValue == "111002":
                found.append(child.TextValue)
            collect(child)

    collect(report)
    return found


def test_a_crop_is_stated_everywhere(site: Site, models: tuple[Predictor, Predictor]) -> None:
    add_image(site, 1, radiograph(chest(LEFT, RIGHT)))
    record = answer(site, models[1])
    image, given = shown(site)
    assert given.region
    assert given.region["outcome"] == "cropped"
    expected = (BOTH.left - 0.035, BOTH.top - 0.03, BOTH.right + 0.035, BOTH.bottom + 0.03)
    assert tuple(given.region["box"].values()) == pytest.approx(expected, abs=0.01)
    assert given.region["coverage"] == pytest.approx(0.254, abs=0.01)
    text = given.region["text"]
    assert text.startswith("shown to the model: the lungs, 1")
    assert given.steps[-1] == text
    assert len(given.activation) == 28
    told = parameters(result_of(record, SR))
    assert f"Preprocessing: {text}" in told
    assert models[1].identity.lungs
    assert f"Lung network SHA-256: {models[1].identity.lungs.weights_sha256}" in told
    assert text in result_of(record, SC).DerivationDescription
    with browsing(site) as browser:
        assert text in browser.get(f"/instances/{image.sop_instance_uid}").text
        document = browser.get(f"/api/instances/{image.sop_instance_uid}").json()
    assert document["answer"]["region"] == json.loads(json.dumps(dict(given.region)))


def test_an_image_without_lungs_says_so_and_gets_no_answer(
    site: Site, models: tuple[Predictor, Predictor]
) -> None:
    add_image(site, 1, radiograph(chest()))
    record = answer(site, models[1])
    image, given = shown(site)
    assert (given.label, given.score) == (UNDETERMINED, None)
    assert given.abstained == "No lungs were found in the image."
    assert given.region
    assert given.region["outcome"] == "no_lungs"
    assert "No lungs were found in the image." in result_of(record, SR).to_json()
    with browsing(site) as browser:
        page = browser.get(f"/instances/{image.sop_instance_uid}").text
        assert "The model gives no answer: No lungs were found in the image." in page
        assert "No lungs were found in the image." in browser.get("/").text


def test_a_doubtful_mask_is_told_with_the_answer(site: Site, models: tuple[Predictor, Predictor]) -> None:
    add_image(site, 1, radiograph(chest(LEFT)))
    record = answer(site, models[1])
    assert record.score is not None
    sentence = "shown to the model: the whole image, because a lung was found on one side alone"
    assert f"Preprocessing: {sentence}" in parameters(result_of(record, SR))
    assert shown(site)[1].steps[-1] == sentence


def test_lungs_within_black_margins_lie_where_they_are_in_the_image(
    site: Site, models: tuple[Predictor, Predictor]
) -> None:
    image = np.pad(chest(LEFT, RIGHT), ((0, 0), (224, 0)), constant_values=-1)
    add_image(site, 1, radiograph(image))
    answer(site, models[1])
    _, given = shown(site)
    assert given.region
    box = given.region["box"]
    assert box["left"] == pytest.approx(0.5 + (BOTH.left - 0.035) / 2, abs=0.01)
    assert box["top"] == pytest.approx(BOTH.top - 0.03, abs=0.01)
    assert given.region["coverage"] == pytest.approx(0.127, abs=0.005)
    outline = np.array(given.region["outlines"][0])
    assert outline[:, 0].min() == pytest.approx(0.5 + LEFT.left / 2, abs=0.01)
    activation = np.array(given.activation)
    assert activation.shape == (56, 56)
    assert (activation[:, :28] == 0).all()


def test_the_outline_is_drawn_where_the_settings_ask_for_it(
    tmp_path: Path, models: tuple[Predictor, Predictor]
) -> None:
    drawn: dict[bool, tuple[bool, bool]] = {}
    for asked in (False, True):
        folder = tmp_path / str(asked)
        folder.mkdir()
        site = site_in(folder, sections={"results": Results(lung_outline=asked)})
        add_image(site, 1, radiograph(chest(LEFT, RIGHT)))
        capture = result_of(answer(site, models[1]), SC).pixel_array
        image, _ = shown(site)
        with browsing(site) as browser:
            content = browser.get(f"/instances/{image.sop_instance_uid}/activation").content
        overlay = np.asarray(Image.open(BytesIO(content)))[..., :3]
        drawn[asked] = tuple(bool((each == OUTLINE_COLOUR).all(axis=-1).any()) for each in (capture, overlay))  # type: ignore[assignment]
    assert drawn == {False: (False, False), True: (True, True)}


def test_another_model_takes_an_answer_over_and_both_keep_their_results(
    site: Site, models: tuple[Predictor, Predictor]
) -> None:
    uid = add_image(site, 1, radiograph(chest(LEFT, RIGHT))).sop_instance_uid
    before = answer(site, models[0])
    Requeue(site.ledger).reprocess(uid)
    after = answer(site, models[1])
    image, given = shown(site)
    assert [each.model.device_uid for each in image.answers] == [each.identity.device_uid for each in models]
    assert [each.stands for each in image.answers] == [False, True]
    assert given.model.version == "2.0.0"
    assert before.region is None
    assert {result.path for result in before.results}.isdisjoint(result.path for result in after.results)
    assert all(result.path.exists() for result in (*before.results, *after.results))
    (study,) = result_of(after, SR).PredecessorDocumentsSequence
    (reference,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == result_of(before, SR).SOPInstanceUID


def test_predict_states_what_was_shown(tmp_path: Path, models: tuple[Predictor, Predictor]) -> None:
    files = [tmp_path / f"{name}.dcm" for name in ("chest", "nothing", "one")]
    for file, image in zip(files, (chest(LEFT, RIGHT), chest(), chest(LEFT)), strict=True):
        file.write_bytes(encoded(radiograph(image)))
    outbox = FolderDestination(name="outbox", kind="folder", path=tmp_path / "outbox")
    settings = Settings(data_dir=tmp_path, destinations=(outbox,))
    lines = [each.line for each in predict_files(files, models[1], settings)]
    assert [line["region"]["outcome"] for line in lines] == ["cropped", "no_lungs", "whole"]
    assert lines[1]["reason"] == "No lungs were found in the image."
    assert json.loads(json.dumps(lines)) == lines
    assert all("region" not in each.line for each in predict_files(files, models[0], settings))


def test_the_web_states_what_was_shown(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("model", "site")}
    for folder in folders.values():
        folder.mkdir()
    path = with_lungs(folders["model"], **ANSWERING)
    model = Model(path=path, engine="openvino", precision="float32")
    with browsing(site_in(folders["site"], sections={"model": model})) as browser:
        told = {
            name: browser.post("/predict", files={"file": (name, encoded(radiograph(image)))}).json()
            for name, image in {"chest": chest(LEFT, RIGHT), "nothing": chest()}.items()
        }
    assert told["chest"]["region"]["outcome"] == "cropped"
    assert told["chest"]["region"]["coverage"] == pytest.approx(0.254, abs=0.01)
    assert told["nothing"]["region"]["outcome"] == "no_lungs"
    assert told["nothing"]["reason"] == "No lungs were found in the image."
