"""The report's whole tree, item by item, as TID 1500 and IHE AI Results want it."""

from collections.abc import Iterator

import highdicom
import pytest
from pydicom.dataset import Dataset

from gateway.records import Prediction
from gateway.results.result import SRClass
from gateway.results.source_header import source_header
from gateway.results.structured_report import SOP_CLASS, structured_report
from tests.support.answers import MODEL, NORMAL, PNEUMONIA, UNDETERMINED, answer
from tests.support.sources import PLAIN_CHEST_XRAY, dx, item

SOURCE = dx()
Row = tuple[int, str | None, str, str, str]  # depth, relationship, value type, name, value

HEAD: list[Row] = [
    (0, None, "CONTAINER", "126000 DCM", "SEPARATE"),
    (1, "HAS CONCEPT MOD", "CODE", "121049 DCM", "en-US RFC5646"),
    (1, "HAS OBS CONTEXT", "CODE", "121005 DCM", "121007 DCM"),
    (1, "HAS OBS CONTEXT", "UIDREF", "121012 DCM", MODEL.device_uid),
    (1, "HAS OBS CONTEXT", "TEXT", "121013 DCM", "CXR ResNet-50 1.2.0"),
    (1, "HAS OBS CONTEXT", "TEXT", "121014 DCM", "CXR Gateway"),
    (1, "HAS OBS CONTEXT", "TEXT", "121015 DCM", "CXR ResNet-50"),
    (1, "HAS OBS CONTEXT", "TEXT", "121016 DCM", "5e" * 32),
    (1, "HAS CONCEPT MOD", "CODE", "121058 DCM", "399208008 SCT"),
    (1, "CONTAINS", "TEXT", "121106 DCM", "Research only, not for diagnostic use"),
    (1, "CONTAINS", "CONTAINER", "111028 DCM", "SEPARATE"),
    (2, "CONTAINS", "CONTAINER", "126200 DCM", "SEPARATE"),
    (3, "HAS ACQ CONTEXT", "CODE", "121139 DCM", "DX DCM"),
    (3, "CONTAINS", "IMAGE", "260753009 SCT", SOURCE.SOPInstanceUID),
    (1, "CONTAINS", "CONTAINER", "126010 DCM", "SEPARATE"),
    (2, "CONTAINS", "CONTAINER", "125007 DCM", "SEPARATE"),
    (3, "HAS OBS CONTEXT", "TEXT", "112039 DCM", "Pneumonia, whole image"),
    (3, "HAS OBS CONTEXT", "UIDREF", "112040 DCM", "2.25."),
]
FINDING: list[Row] = [(3, "CONTAINS", "CODE", "121071 DCM", "233604007 SCT")]
ALGORITHM: list[Row] = [
    (3, "HAS CONCEPT MOD", "CODE", "363698007 SCT", "39607008 SCT"),
    (3, "HAS CONCEPT MOD", "TEXT", "111001 DCM", "CXR ResNet-50"),
    (3, "HAS CONCEPT MOD", "TEXT", "111003 DCM", "1.2.0"),
    (3, "HAS CONCEPT MOD", "TEXT", "111002 DCM", "Threshold of the score: 50 %"),
    (3, "HAS CONCEPT MOD", "TEXT", "111002 DCM", "Calibration: temperature 1.31"),
    (3, "HAS CONCEPT MOD", "TEXT", "111002 DCM", f"Weights SHA-256: {'5e' * 32}"),
    (3, "HAS CONCEPT MOD", "TEXT", "111002 DCM", "Engine: PyTorch float32"),
    (3, "HAS CONCEPT MOD", "TEXT", "111002 DCM", "Not fitted to this site"),
    (3, "HAS CONCEPT MOD", "TEXT", "111002 DCM", "Preprocessing: window 2048/4096, LINEAR"),
    (3, "HAS CONCEPT MOD", "TEXT", "111002 DCM", "Preprocessing: scaled to 0-65535"),
    (3, "HAS CONCEPT MOD", "CODE", "111000 DCM", "123110 DCM"),
]


def score(value: str) -> list[Row]:
    return [
        (3, "CONTAINS", "NUM", "111012 DCM", value),
        (4, "HAS CONCEPT MOD", "TEXT", "121050 DCM", "The model's probability of pneumonia; 50 % or more"),
        (4, "INFERRED FROM", "SCOORD", "260753009 SCT", "POLYLINE"),
        (5, "SELECTED FROM", "IMAGE", "260753009 SCT", SOURCE.SOPInstanceUID),
    ]


def evaluation(code: str) -> list[Row]:
    return [(3, "CONTAINS", "CODE", "233604007 SCT", f"{code} SCT")]


IMAGE: list[Row] = [(3, "CONTAINS", "IMAGE", "121112 DCM", SOURCE.SOPInstanceUID)]


def summed_up(sentence: str) -> list[Row]:
    return [(3, "CONTAINS", "TEXT", "121106 DCM", sentence)]


PROBABILITY = "the model's probability of pneumonia is"
POSITIVE = f"Pneumonia present: {PROBABILITY} 87.5 %, at or above the threshold of 50 % (research only)."
NEGATIVE = f"Pneumonia absent: {PROBABILITY} 3.1 %, below the threshold of 50 % (research only)."
NO_ANSWER = (
    "Pneumonia undetermined: the model gave no answer (research only). The image does not look like a chest"
)


def short(codes: list[Dataset]) -> str:
    (code,) = codes
    assert code.CodeMeaning
    return f"{code.CodeValue} {code.CodingSchemeDesignator}"


def value_of(node: Dataset) -> str:
    match node.ValueType:
        case "CONTAINER":
            return str(node.ContinuityOfContent)
        case "CODE":
            return short(node.ConceptCodeSequence)
        case "TEXT":
            return str(node.TextValue)
        case "UIDREF":
            return str(node.UID)
        case "IMAGE":
            return str(node.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        case "SCOORD":
            return str(node.GraphicType)
        case "NUM":
            if not node.MeasuredValueSequence:
                return short(node.NumericValueQualifierCodeSequence)
            (measured,) = node.MeasuredValueSequence
            return f"{measured.NumericValue} {short(measured.MeasurementUnitsCodeSequence)}"
    raise AssertionError(f"{node.ValueType} is not in this report")


def walk(node: Dataset, depth: int = 0) -> Iterator[Row]:
    yield (
        depth,
        node.get("RelationshipType"),
        node.ValueType,
        short(node.ConceptNameCodeSequence),
        value_of(node),
    )
    for child in node.get("ContentSequence", ()):
        yield from walk(child, depth + 1)


@pytest.mark.parametrize("sr_class", SOP_CLASS)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            PNEUMONIA,
            [
                *FINDING,
                *ALGORITHM,
                *score("87.5 % UCUM"),
                *evaluation("52101004"),
                *IMAGE,
                *summed_up(POSITIVE),
            ],
        ),
        (NORMAL, [*ALGORITHM, *score("3.1 % UCUM"), *evaluation("272519000"), *IMAGE, *summed_up(NEGATIVE)]),
        (
            UNDETERMINED,
            [*ALGORITHM, *score("114011 DCM"), *evaluation("373068000"), *IMAGE, *summed_up(NO_ANSWER)],
        ),
    ],
    ids=["pneumonia", "normal", "undetermined"],
)
def test_the_whole_tree(given: Prediction, expected: list[Row], sr_class: SRClass) -> None:
    tree = list(walk(structured_report(source_header(SOURCE), answer(given), sr_class)))
    wanted = HEAD + expected
    assert [row[:4] for row in tree] == [row[:4] for row in wanted]
    for row, model_row in zip(tree, wanted, strict=True):
        assert row[4].startswith(model_row[4])


def test_templates_are_named() -> None:
    report = structured_report(source_header(SOURCE), answer())
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert report.ContentTemplateSequence[0].MappingResource == "DCMR"
    group = report.ContentSequence[-1].ContentSequence[0]
    assert group.ContentTemplateSequence[0].TemplateIdentifier == "1501"


def test_nothing_says_that_a_chest_is_normal() -> None:
    assert "normal" not in str(structured_report(source_header(SOURCE), answer(NORMAL))).lower()


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, "399208008 SCT"),
        ({"RequestAttributesSequence": [item(RequestedProcedureID="R1")]}, "399208008 SCT"),
        (
            {
                "RequestAttributesSequence": [
                    item(
                        RequestedProcedureCodeSequence=[
                            item(**PLAIN_CHEST_XRAY | {"CodeValue": "IN-REQUEST"})
                        ]
                    )
                ]
            },
            "IN-REQUEST SCT",
        ),
        (
            {
                "ProcedureCodeSequence": [item(**PLAIN_CHEST_XRAY | {"CodeValue": "PERFORMED"})],
                "RequestedProcedureCodeSequence": [item(**PLAIN_CHEST_XRAY | {"CodeValue": "REQUESTED"})],
            },
            "PERFORMED SCT",
        ),
        (
            {"RequestedProcedureCodeSequence": [item(**PLAIN_CHEST_XRAY | {"CodeValue": "REQUESTED"})]},
            "REQUESTED SCT",
        ),
    ],
)
def test_the_procedure_reported_is_the_imaging_procedure(
    attributes: dict[str, list[Dataset]], expected: str
) -> None:
    report = structured_report(source_header(dx(**attributes)), answer())
    assert [row[4] for row in walk(report) if row[3] == "121058 DCM"] == [expected]


def test_highdicom_reads_the_report_back() -> None:
    report = highdicom.sr.Comprehensive3DSR.from_dataset(structured_report(source_header(SOURCE), answer()))
    (group,) = report.content.get_image_measurement_groups()  # type: ignore[attr-defined]
    (measurement,) = group.get_measurements()
    assert measurement.value == 87.5
    assert group.source_images[0].referenced_sop_instance_uid == SOURCE.SOPInstanceUID
