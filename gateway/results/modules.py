"""Builds the information modules that SR and SC share (PS3.3 C.7, C.12)."""

from __future__ import annotations

import re
from datetime import datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian

from gateway.records import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    ModelIdentity,
)
from gateway.results.answer import SERIES_DESCRIPTION, Answer
from gateway.results.identity import series_uid
from gateway.results.source_header import SourceHeader

MANUFACTURER = "CXR Gateway"
_FIRST_SERIES_NUMBER = 9000  # after the series that were acquired
_LARGEST_INTEGER_STRING = 2**31 - 1  # PS3.5 6.2
_LONG_STRING = 64  # characters of an LO value

_TYPE_2 = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
_TYPE_3 = (
    *("IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence"),
    *("PatientAge", "PatientSize", "PatientWeight", "IssuerOfAccessionNumberSequence"),
    *("StudyDescription", "ProcedureCodeSequence", "TimezoneOffsetFromUTC"),
)


def shared_modules(
    source: SourceHeader, answer: Answer, kind: str, sop_class_uid: UID, modality: str, number: int
) -> Dataset:
    """Return a data set with every module but those of its content.

    Patient and study are the source's; series, equipment and instance are new. It has file meta
    information for Explicit VR Little Endian.

    Parameters
    ----------
    number
        Of the kind, 1 to 9: the last digit of the Series Number.
    """
    sop_instance_uid = answer.result_uid(source.dataset.SOPInstanceUID, kind)
    result = Dataset()
    result.SpecificCharacterSet = "ISO_IR 192"
    result.SOPClassUID = sop_class_uid
    result.SOPInstanceUID = sop_instance_uid
    _patient_and_study(result, source.dataset)
    result.Modality = modality
    result.SeriesInstanceUID = series_uid(sop_instance_uid)
    result.SeriesNumber = _series_number(source.dataset, number)
    result.SeriesDescription = _series_description(source.dataset, answer)
    result.InstanceNumber = 1
    result.ContentQualification = "RESEARCH"
    _times(result, local_time(source, answer))
    _equipment(result, answer)
    result.file_meta = _file_meta(result)
    return result


def local_time(source: SourceHeader, answer: Answer) -> datetime:
    """Return when the answer was given, in the time zone of the image where it names one.

    Timezone Offset From UTC holds for every date and time of an object (PS3.3 C.12.1.1.8), study date and
    time among them: a result in another zone would move them.
    """
    offset = source.dataset.get("TimezoneOffsetFromUTC")
    if not offset:
        return answer.created_at
    return answer.created_at.astimezone(datetime.strptime(offset, "%z").tzinfo)


def code_dataset(code: Code) -> Dataset:
    """Return an item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def long_string(text: str) -> str:
    """Return `text` as a Long String (LO): one value of at most 64 characters."""
    return re.sub(r"[\\\s\x00-\x1f]+", " ", text).strip()[:_LONG_STRING]


def _series_number(header: Dataset, number: int) -> int:
    """Return 9000 and the kind's number, and ten more for each number of the image's series."""
    series_number = _FIRST_SERIES_NUMBER + 10 * max(0, int(header.get("SeriesNumber") or 0)) + number
    return series_number if series_number <= _LARGEST_INTEGER_STRING else _FIRST_SERIES_NUMBER + number


def _series_description(header: Dataset, answer: Answer) -> str:
    """Return the warning, the image that is meant, and the model's version.

    The image is told by its view, Series Number and Instance Number. A study may hold the results of several
    models, which differ in nothing else that a list of series shows. What does not fit is left out, the
    version first.
    """
    numbers = [str(header[each].value) for each in ("SeriesNumber", "InstanceNumber") if each in header]
    image = f"{'image' if answer.view == 'unknown' else answer.view} {'/'.join(numbers)}".strip()
    version = f"v{long_string(answer.model.version)}"
    descriptions = [f"{SERIES_DESCRIPTION}: {each}" for each in (f"{image}, {version}", image)]
    fitting = (each for each in descriptions if len(each) <= _LONG_STRING)
    return next(fitting, f"{SERIES_DESCRIPTION}: {answer.view}")


def _patient_and_study(result: Dataset, header: Dataset) -> None:
    result.StudyInstanceUID = header.StudyInstanceUID
    for keyword in _TYPE_2:
        setattr(result, keyword, header.get(keyword, ""))
    for keyword in _TYPE_3:
        if header.get(keyword):
            setattr(result, keyword, header.get(keyword))


def _times(result: Dataset, when: datetime) -> None:
    day, time = when.strftime("%Y%m%d"), when.strftime("%H%M%S.%f")
    result.InstanceCreationDate = result.SeriesDate = result.ContentDate = day
    result.InstanceCreationTime = result.SeriesTime = result.ContentTime = time


def _equipment(result: Dataset, answer: Answer) -> None:
    result.Manufacturer = MANUFACTURER
    result.ManufacturerModelName = MANUFACTURER
    result.DeviceSerialNumber = answer.model.weights_sha256
    result.SoftwareVersions = long_string(answer.software_version)
    result.ContributingEquipmentSequence = [_algorithm(answer.model, answer.created_at)]


def _algorithm(model: ModelIdentity, used_at: datetime) -> Dataset:
    """Identify the algorithm as IHE AI Results asks; the content tree repeats these values."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_dataset(codes.DCM.ProcessingEquipment)]
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName = long_string(model.name)
    item.SoftwareVersions = long_string(model.version)
    item.DeviceSerialNumber = model.weights_sha256
    item.DeviceUID = model.device_uid
    item.ContributionDateTime = used_at.strftime("%Y%m%d%H%M%S.%f%z")
    item.ContributionDescription = "Classified the radiograph; research only"
    return item


def _file_meta(result: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = result.SOPClassUID
    meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta
