"""The gateway's own results, sent back to it, are recognised; nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.records import Ineligible, Reason
from tests.unit.imaging.tiny_image import chest, code, reread

OURS = "2.25.1234"


def equipment(
    manufacturer: str = "CXR Gateway", device_uid: str = OURS, purpose: str = "109102"
) -> list[Dataset]:
    item = Dataset()
    item.Manufacturer, item.DeviceUID = manufacturer, device_uid
    item.PurposeOfReferenceCodeSequence = code(purpose, "DCM")
    return [item]


RESEARCH = {"ContentQualification": "RESEARCH"}
DESCRIBED = {"SeriesDescription": "AI RESEARCH ONLY - NOT FOR DIAGNOSTIC USE"}
OWN: dict[str, tuple[dict[str, Any], bool]] = {
    "everything": ({"ContributingEquipmentSequence": equipment(), **RESEARCH, **DESCRIBED}, True),
    "device UID alone": ({"ContributingEquipmentSequence": equipment("Other")}, True),
    "another gateway": (
        {"ContributingEquipmentSequence": equipment(device_uid="2.25.9"), **RESEARCH},
        True,
    ),
    "qualification stripped": (
        {"ContributingEquipmentSequence": equipment(device_uid="2.25.9"), **DESCRIBED},
        True,
    ),
    "equipment stripped": ({**RESEARCH, **DESCRIBED}, True),
    "manufacturer and qualification": ({"Manufacturer": "CXR Gateway", **RESEARCH}, True),
    "someone's research image": (RESEARCH, False),
    "someone's description": (DESCRIBED, False),
    "only the name": ({"ContributingEquipmentSequence": equipment(device_uid="2.25.9")}, False),
    "another purpose": (
        {"ContributingEquipmentSequence": equipment(purpose="109101"), **RESEARCH},
        False,
    ),
    "someone else's algorithm": (
        {"ContributingEquipmentSequence": equipment("Other", "2.25.9"), **RESEARCH},
        False,
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_own_results_are_recognised_and_no_one_elses(name: str) -> None:
    attributes, own = OWN[name]
    verdict = eligibility(reread(chest(**attributes)), EligibilityRules(own_device_uids=frozenset({OURS})))
    assert (isinstance(verdict, Ineligible) and verdict.reason is Reason.OWN_RESULT) is own
