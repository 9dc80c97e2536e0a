"""The kinds of result that an answer is written as.

A new kind is a file with its `Builder`, and an entry here. The encode step, `gateway predict`, the doctor and
the destinations take the kinds from this tuple.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.results.encapsulated_pdf import EncapsulatedPDFBuilder
from gateway.results.observation_message import ObservationMessageBuilder
from gateway.results.presentation_state import PresentationStateBuilder
from gateway.results.result import AnsweredImage, Builder, Result, ResultRules
from gateway.results.secondary_capture import SecondaryCaptureBuilder
from gateway.results.structured_report import StructuredReportBuilder
from gateway.results.transaction_bundle import TransactionBundleBuilder

KINDS: tuple[Builder, ...] = (
    StructuredReportBuilder(),
    SecondaryCaptureBuilder(),
    ObservationMessageBuilder(),
    PresentationStateBuilder(),
    TransactionBundleBuilder(),
    EncapsulatedPDFBuilder(),
)


def build_results(
    image: AnsweredImage, rules: ResultRules, kinds: Iterable[Builder] = KINDS
) -> Iterator[Result]:
    """Build every result that the rules ask for, in the order of `kinds`.

    Raises
    ------
    Reject
        If the image allows no result.
    """
    for builder in kinds:
        if builder.is_wanted(rules):
            yield builder.build(image, rules)
