"""ENCODE: the results of an answer, built, kept as files, and routed to the destinations that accept them.

The pipeline calls it once per answer. A result's name follows from the image, the model and the
configuration: encoding the same answer again finds the file of the first attempt, which is the result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gateway.deliver.routing import route_of
from gateway.errors import Retry
from gateway.records import Lungs, Region
from gateway.results.answer import Answer, Predecessor
from gateway.results.identity import series_uid
from gateway.results.kinds import KINDS, build_results
from gateway.results.region import region_document
from gateway.results.result import AnsweredImage, Builder, Result, ResultRules
from gateway.rules.attributes import HeaderReader, NoHeader, no_header
from gateway.settings import Settings
from gateway.store.entries import AnswerRecord, EarlierReport, Router, StoredInstance, StoredResult
from gateway.store.objects import Shelf
from gateway.worker.answering import result_rules


class Encoder:
    """Builds and keeps results.

    Parameters
    ----------
    results
        Takes each result; where it keeps names apart, the first file under a name stays.
    route
        Names the destinations of a result.
    kinds
        The builders, in the order in which their results are registered.
    """

    def __init__(
        self, rules: ResultRules, results: Shelf, route: Router, kinds: Sequence[Builder] = KINDS
    ) -> None:
        self._rules = rules
        self._results = results
        self._route = route
        self._kinds = kinds

    def build(self, image: AnsweredImage) -> list[Result]:
        """Build every result that the settings ask for.

        Raises
        ------
        Reject
            If the image allows no result.
        """
        return list(build_results(image, self._rules, self._kinds))

    def keep(
        self, results: Iterable[Result], calling_ae_title: str, header: HeaderReader = no_header
    ) -> tuple[StoredResult, ...]:
        """Write each result and say where it goes; the worker publishes it before its row.

        `header` is of the image.

        Raises
        ------
        Retry
            If the folder takes nothing now, or the image's header cannot be read now.
        """
        return tuple(self._keep(result, calling_ae_title, header) for result in results)

    def _keep(self, result: Result, calling_ae_title: str, header: HeaderReader) -> StoredResult:
        try:
            path, sha256 = self._write(result)
            names = self._route(calling_ae_title, result.kind, result.media_type, header)
        except OSError as error:
            raise Retry(f"{self._results.root}: {error.strerror or error}") from error
        except NoHeader as error:
            raise Retry(f"the route of the image cannot be found: {error}") from error
        return StoredResult(
            kind=result.kind,
            media_type=result.media_type,
            path=path,
            sha256=sha256,
            sop_class_uid=result.sop_class_uid,
            sop_instance_uid=result.sop_instance_uid,
            destinations=tuple(names),
        )

    def _write(self, result: Result) -> tuple[Path, str]:
        """Return the kept file and its digest; an earlier attempt's file wins over what was encoded now."""
        draft = self._results.begin()
        draft.write(result.content)
        path = self._results.finish(draft, result.name)
        return path, draft.sha256 if draft.is_first else hashlib.sha256(path.read_bytes()).hexdigest()


def open_encoder(settings: Settings, results: Shelf) -> Encoder:
    """Open an encoder; the settings say which results there are, and where each goes."""
    return Encoder(result_rules(settings), results, route_of(settings))


def reports_by_model(instance: StoredInstance, names: Sequence[str]) -> list[list[EarlierReport]]:
    """Share out the SRs that are replaced: each to the model of its name, else to the first model."""
    shares: list[list[EarlierReport]] = [[] for _ in names]
    for report in instance.earlier_reports:
        shares[names.index(report.model_name) if report.model_name in names else 0].append(report)
    return shares


def predecessors(instance: StoredInstance, reports: Sequence[EarlierReport]) -> tuple[Predecessor, ...]:
    """Return the SRs of the answer that is replaced."""
    return tuple(
        Predecessor(
            instance.study_instance_uid,
            series_uid(report.sop_instance_uid),
            report.sop_class_uid,
            report.sop_instance_uid,
        )
        for report in reports
    )


def record_of(answer: Answer, results: tuple[StoredResult, ...], repairs: Sequence[str]) -> AnswerRecord:
    """Return what the ledger keeps of an answer."""
    prediction = answer.prediction
    rounded = np.round(prediction.activation.astype(float), 4).tolist()
    return AnswerRecord(
        model=prediction.model,
        label=prediction.label,
        score=prediction.score,
        abstained=prediction.reason,
        pixel_digest=answer.pixel_digest,
        configuration=answer.configuration,
        software_version=answer.software_version,
        results=results,
        steps=answer.steps,
        repaired=tuple(repairs),
        activation=tuple(map(tuple, rounded)),
        region=_region(prediction.region) if prediction.region else None,
    )


def _region(region: Region) -> dict[str, Any]:
    """Return a region as the ledger keeps it: the page draws its outlines."""
    outlines = region.outlines if isinstance(region, Lungs) else ()
    return region_document(region) | {"outlines": [[list(point) for point in each] for each in outlines]}
