"""`gateway predict`: files in, one answer each out, without a network or a database."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from gateway.deliver.folder import study_folder
from gateway.errors import GatewayError, Reject, Retry
from gateway.files.folders import files_below
from gateway.imaging.eligibility import EligibilityRules
from gateway.imaging.margins import Pixels
from gateway.imaging.png_jpeg import MARK_BYTES, is_png_or_jpeg, read_png_or_jpeg
from gateway.imaging.preprocess import over_whole_image, preprocess
from gateway.imaging.softcopy import softcopy
from gateway.model.predictor import Predictor, Told
from gateway.records import UNDETERMINED, Eligible, Lungs, Prediction, Reason, State
from gateway.results.kinds import build_results
from gateway.results.region import region_document
from gateway.results.result import AnsweredImage, Result
from gateway.results.source_header import source_header
from gateway.settings import Settings
from gateway.worker.describe import describe
from gateway.worker.encode import result_rules
from gateway.worker.pipeline import infer
from gateway.worker.stages import (
    OUT_OF_MEMORY,
    End,
    Prepared,
    answer_for,
    eligibility_rules,
    prepare,
    read_source,
    region_of,
)

PICTURES = {".png", ".jpg", ".jpeg"}
BATCH = 8
MOST_PASSES = 8  # at once: each holds a batch of decoded images

Given = TypeVar("Given")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class FilePrediction:
    """One file's answer as a JSON line; `failed` where an answer was due and there is none.

    `threshold` is that of the scanner, None where there is no answer.
    """

    line: dict[str, Any]
    failed: bool
    threshold: float | None = None
    study_instance_uid: str = ""
    results: tuple[Result, ...] = ()
    drawing: Drawing | None = None

    @property
    def may_have_results(self) -> bool:
        """Tell whether an SR can be made of it: it is an answer to a DICOM file."""
        return self.threshold is not None and bool(self.study_instance_uid)


@dataclass(frozen=True, slots=True)
class Drawing:
    """The picture of an answer for people.

    Attributes
    ----------
    pixels
        The decoded radiograph, uint16.
    activation
        Class activation map of the whole image, float32 (n, n); None of an abstention.
    outlines
        Of the lungs, closed polygons of (x, y) in shares of the image.
    """

    pixels: Pixels
    activation: NDArray[np.float32] | None
    outlines: Sequence[Sequence[Sequence[float]]] = ()


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files, and those below the folders, in order.

    Raises
    ------
    GatewayError
        If a path does not exist or is a device, a folder cannot be read, or nothing is found.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise GatewayError(f"{path}: no such file or folder")
        if not path.is_dir() and not path.is_file():
            raise GatewayError(f"{path}: neither a file nor a folder; a pipe or a device may never end")
        found += files_below(path) if path.is_dir() else [path]
    if not found:
        raise GatewayError(f"{', '.join(map(str, paths))}: no files there")
    return found


def predict_files(
    files: Sequence[Path], predictor: Predictor, settings: Settings, *, with_results: bool = False
) -> Iterator[FilePrediction]:
    """Answer for each file, in order; decoding overlaps inference, as do passes if the engine can.

    `with_results` also builds the SR and SC of DICOM files.
    """
    rules = eligibility_rules(settings, predictor.identity)
    network = BoundedSemaphore(predictor.passes_at_once)

    def told(group: Sequence[Path]) -> _Batch:
        images = [_prepare_even_with_bugs(file, rules) for file in group]
        with network:
            return _Batch(group, images, _infer(images, predictor))

    groups = (files[start : start + BATCH] for start in range(0, len(files), BATCH))
    with ThreadPoolExecutor(predictor.passes_at_once + 1, "predict") as pool:
        for batch in _in_order(pool, told, groups, ahead=predictor.passes_at_once + 1):
            yield from _answer(batch, predictor, settings, with_results=with_results)


def _in_order(
    pool: Executor, work: Callable[[Given], Value], given: Iterable[Given], ahead: int
) -> Iterator[Value]:
    """Yield `work` of each item in order, while the pool is at most `ahead` items further."""
    begun: deque[Future[Value]] = deque()
    for each in given:
        begun.append(pool.submit(work, each))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def predict_file(
    file: Path, predictor: Predictor, settings: Settings, *, with_results: bool = False, drawn: bool = False
) -> FilePrediction:
    """Answer for one file; a bug is raised, not told as the file's failure. `drawn` adds the drawing."""
    image = prepare_file(file, eligibility_rules(settings, predictor.identity))
    batch = _Batch([file], [image], _infer([image], predictor))
    (prediction,) = _answer(batch, predictor, settings, with_results=with_results, drawn=drawn)
    return prediction


def is_picture(file: Path) -> bool:
    """Tell whether a file is PNG or JPEG, by its name or its first bytes; raises OSError."""
    if file.suffix.lower() in PICTURES:
        return True
    with file.open("rb") as opened:
        return is_png_or_jpeg(opened.read(MARK_BYTES))


def _prepare_even_with_bugs(file: Path, rules: EligibilityRules) -> Prepared | End:
    try:
        return prepare_file(file, rules)
    except Exception as error:
        return End(State.FAILED, Reason.INTERNAL_ERROR, f"a bug in the gateway: {error!r}")


def prepare_file(file: Path, rules: EligibilityRules) -> Prepared | End:
    """SELECT, DECODE and PREPROCESS a file; whatever its bytes are, it ends as one of the two."""
    try:
        if is_picture(file):
            grey = read_png_or_jpeg(file.read_bytes(), rules.max_megapixels)
            return Prepared(Dataset(), grey, *preprocess(grey.pixels), Eligible("unknown"))
        return prepare(read_source(file), rules)
    except Reject as error:
        return End(State.FAILED, error.reason, error.detail)
    except MemoryError:
        return OUT_OF_MEMORY
    except (GatewayError, OSError) as error:
        return End(State.FAILED, Reason.UNDECODABLE, str(error))


class _Batch(NamedTuple):
    """Files, what became of each before the model, and what the model tells of those that reached it."""

    files: Sequence[Path]
    images: Sequence[Prepared | End]
    told: Sequence[Told]


def _infer(images: Sequence[Prepared | End], predictor: Predictor) -> list[Told]:
    return infer([image.tensor for image in images if isinstance(image, Prepared)], predictor)


def _answer(
    batch: _Batch, predictor: Predictor, settings: Settings, *, with_results: bool, drawn: bool = False
) -> Iterator[FilePrediction]:
    told = iter(batch.told)
    model = f"{predictor.identity.name} {predictor.identity.version}"
    for file, image in zip(batch.files, batch.images, strict=True):
        if isinstance(image, End):
            yield _without_answer(file, image, model)
            continue
        found = next(told)
        if isinstance(found, Retry):
            raise found
        if isinstance(found, Reject):
            yield _without_answer(file, End(State.FAILED, found.reason, found.detail), model)
            continue
        prediction = found.for_scanner(describe(image.source).scanner)
        try:
            results = _results(image, prediction, settings) if with_results and image.source else ()
        except Reject as error:
            yield _without_answer(file, End(State.FAILED, error.reason, error.detail), model)
        else:
            answer = _with_answer(file, image, prediction, model, results)
            yield replace(answer, drawing=_drawing(image, prediction)) if drawn else answer


def _without_answer(file: Path, end: End, model: str) -> FilePrediction:
    line = {"file": str(file), "label": UNDETERMINED, "score": None, "probabilities": None}
    line |= {"reason": end.reason.value, "detail": end.detail, "model": model}
    return FilePrediction(line, failed=end.state is State.FAILED)


def _with_answer(
    file: Path, image: Prepared, prediction: Prediction, model: str, results: tuple[Result, ...]
) -> FilePrediction:
    line = {
        "file": str(file),
        "label": prediction.label,
        "score": prediction.score,
        "probabilities": prediction.model.probabilities(prediction.score),
        "reason": prediction.reason,
        "model": model,
    }
    if region := region_of(prediction, image.grey.pixels):
        line["region"] = region_document(region)
    study = str(image.source.get("StudyInstanceUID", ""))
    threshold = prediction.model.threshold
    return FilePrediction(line, failed=False, threshold=threshold, study_instance_uid=study, results=results)


def _drawing(image: Prepared, prediction: Prediction) -> Drawing:
    pixels = image.grey.pixels
    region = region_of(prediction, pixels)
    outlines = region.outlines if isinstance(region, Lungs) else ()
    known = None if prediction.score is None else over_whole_image(prediction.activation, pixels)
    return Drawing(pixels, known, outlines)


def _results(image: Prepared, prediction: Prediction, settings: Settings) -> tuple[Result, ...]:
    answer = answer_for(image, prediction, settings)
    answered = AnsweredImage(source_header(image.source), image.grey, answer, softcopy(image.source))
    return tuple(build_results(answered, result_rules(settings)))


def write_results(prediction: FilePrediction, folder: Path) -> dict[str, str]:
    """Write each result as `<StudyInstanceUID>/<its name>`; return the paths by kind.

    Raises
    ------
    GatewayError
        If the folder cannot be written.
    """
    paths = {}
    for result in prediction.results:
        path = folder / study_folder(prediction.study_instance_uid) / result.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(result.content)
        except OSError as error:
            raise GatewayError(f"{error.filename}: {error.strerror}") from None
        paths[result.kind] = str(path)
    return paths
