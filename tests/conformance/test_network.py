"""What the statement says of the network is what the gateway negotiates and answers."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
)
from pynetdicom import (
    AE,
    QueryRetrievePresentationContexts,
    VerificationPresentationContexts,
    evt,
)
from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

from gateway.deliver import commitment_report as commitment
from gateway.deliver.c_store import verdict_of
from gateway.deliver.stow import ABOUT_THE_OBJECT
from gateway.dicom import elements, octets
from gateway.dicom.character_sets import encodings_for
from gateway.dicom.statuses import Status
from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from gateway.errors import Retry
from gateway.processes.website import site_of
from gateway.pull.dicom_source import FIND, GET, MOVE
from gateway.receive import association, connections, data_set, storage_scp
from gateway.receive.association import Rejection
from gateway.receive.sop_classes import SOP_CLASSES
from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.requestor import association as requestor
from gateway.requestor.part_10 import Content
from gateway.requestor.storage_scu import DicomNode, associate
from gateway.results.structured_report import SOP_CLASS
from gateway.settings import Settings
from gateway.store.opening import open_database
from gateway.upper_layer import messages, transport
from gateway.web.application import create_application
from tests.conformance.statement import TEXT, literals, plain, table
from tests.support.pulling import NOVEMBER, puller_for
from tests.support.receiving import receiving

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ANY = "0123456789ABCDEF"


def uids(number: str) -> dict[str, str]:
    """Return a table's UIDs and the names beside them."""
    name, *_ = table(number)[0]
    return {plain(row["UID"]): row[name] for row in table(number) if row["UID"]}


def assert_named(named: dict[str, str]) -> None:
    known = {uid: name for uid, name in named.items() if UID(uid).name != uid}
    assert {uid: UID(uid).name for uid in known} == known


# --- RECEIVER


def test_received_sop_classes() -> None:
    assert_named(uids("F-1"))
    assert set(uids("F-1")) == set(SOP_CLASSES), rows_of(SOP_CLASSES)
    assert len(table("F-1")) == len(SOP_CLASSES)


def rows_of(wanted: Any) -> str:
    """Return how the table should read, for whoever has to correct it."""
    return "\n" + "\n".join(f"| {UID(uid).name} | `{uid}` |" for uid in sorted(wanted))


def test_transfer_syntaxes_in_order_of_preference() -> None:
    assert_named(uids("7-5"))
    assert list(uids("7-5")) == list(TRANSFER_SYNTAXES)


def test_contexts_as_negotiated(tmp_path: Path) -> None:
    """What a peer is really told that proposes each context by itself, in each transfer syntax."""
    services = {uid: set(uids("7-4")) for uid in uids("7-3")}
    images = {row: set(uids("7-5")) for row in sorted(uids("F-1"))[:6]}
    assert_named(uids("7-3"))
    with receiving(tmp_path) as receiver:
        for abstract_syntax, syntaxes in (services | images).items():
            assert accepted(receiver.address, abstract_syntax, [*syntaxes, "1.2.3"]) == syntaxes


def accepted(address: tuple[str, int], abstract_syntax: str, syntaxes: list[str]) -> set[str]:
    ae = AE(ae_title="TESTS")
    for syntax in syntaxes:
        ae.add_requested_context(abstract_syntax, syntax)
    assoc = ae.associate(*address, ae_title="CXR_GATEWAY")
    assert assoc.is_established
    taken = {context.transfer_syntax[0] for context in assoc.accepted_contexts}
    assoc.release()
    return taken


def test_the_preferred_transfer_syntax_is_taken(tmp_path: Path) -> None:
    preferred = list(uids("7-5"))
    ae = AE(ae_title="TESTS")
    ae.add_requested_context(SECONDARY_CAPTURE, preferred[::-1])
    ae.add_requested_context(next(iter(SOP_CLASS.values())), preferred[:3:-1])
    with receiving(tmp_path) as receiver:
        assoc = ae.associate(*receiver.address, ae_title="CXR_GATEWAY")
        taken = [context.transfer_syntax for context in assoc.accepted_contexts]
        assoc.release()
    assert taken == [[preferred[0]], [preferred[4]]]


def test_statuses_that_are_sent() -> None:
    stated = {row["Name"]: literals(row["Code"]) for row in table("7-8")}
    assert stated == {status.name: [str(status)] for status in Status}


def test_rejections() -> None:
    stated = {(int(row["Result"]), int(row["Source"]), int(row["Reason"])) for row in table("7-2")}
    coded = [value for value in vars(association).values() if isinstance(value, Rejection)]
    assert stated == {(each.result, each.source, each.diagnostic) for each in coded}


def test_limits_and_identity() -> None:
    stated = {row["Parameter"]: literals(row["Value"]) for row in table("7-1")}
    assert stated["Implementation Class UID"] == [IMPLEMENTATION_CLASS_UID]
    assert stated["Implementation Version Name"] == [IMPLEMENTATION_VERSION_NAME]
    assert stated["Maximum PDU length offered"] == [str(storage_scp.MAXIMUM_PDU_SIZE)]
    assert requestor.MAXIMUM_PDU_SIZE == storage_scp.MAXIMUM_PDU_SIZE
    assert stated["Longest PDU that is read"] == [str(transport.MAX_PDU_BYTES)]
    assert stated["Longest C-STORE message"] == [str(messages.MAX_MESSAGE_BYTES)]
    assert stated["Wait for an association request"] == [str(storage_scp.ASSOCIATION_TIMEOUT_SECONDS)]
    assert f"beyond {octets.MAX_INFLATED_BYTES >> 20} MiB" in TEXT
    assert f"more than {data_set.MAX_INFLATED_BESIDE_PIXELS >> 20} MiB beside its pixels" in TEXT
    assert f"more than {elements.MAX_ELEMENTS} elements and items" in TEXT
    assert f"more than {elements.MAX_OUTERMOST} elements beside each other" in TEXT
    assert f"nested more than {elements.MAX_DEPTH} deep" in TEXT
    assert connections.CONNECTIONS_PER_ASSOCIATION == 3
    assert "At most three times `scp.max_associations` connections" in TEXT


def test_statuses_of_commitment_reports() -> None:
    coded = (
        commitment.SUCCESS,
        commitment.PROCESSING_FAILURE,
        commitment.NO_SUCH_EVENT_TYPE,
        commitment.INVALID_ARGUMENT_VALUE,
    )
    assert [literals(row["Code"]) for row in table("7-10")] == [[f"0x{code:04X}"] for code in coded]


# --- SENDER


def test_sent_sop_classes() -> None:
    created = {plain(row["UID"]) for row in table("1-1") if row["Created"].startswith("yes")}
    optional = {
        GrayscaleSoftcopyPresentationStateStorage,
        EncapsulatedPDFStorage,
        KeyObjectSelectionDocumentStorage,
    }
    assert created == {*map(str, SOP_CLASS.values()), SECONDARY_CAPTURE} | optional
    assert set(uids("7-6")) == created | {StorageCommitmentPushModel, Verification, FIND, GET, MOVE}
    assert_named(uids("7-6"))
    assert_named(uids("1-1"))
    assert set(uids("1-1")) <= set(SOP_CLASSES)


def test_contexts_as_proposed() -> None:
    stated = {plain(row["UID"]): literals(row["Transfer syntaxes"]) for row in table("7-6")}
    with listening(list(stated)) as (node, proposed):
        for uid in stated:
            with associate(node, [Content(uid, ExplicitVRLittleEndian)]):
                pass
    assert proposed == stated


@pytest.mark.parametrize("retrieve", ["get", "move"])
def test_contexts_as_proposed_to_a_source(tmp_path: Path, retrieve: str) -> None:
    stated = {plain(row["UID"]): literals(row["Transfer syntaxes"]) for row in table("7-6")}
    model = GET if retrieve == "get" else MOVE
    with listening([FIND, model]) as (node, proposed):
        source = {"name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": node.host, "port": node.port}
        with puller_for(tmp_path, source | {"retrieve": retrieve}) as here, suppress(Retry):
            here.puller.find(NOVEMBER)
    assert {uid: proposed.pop(uid) for uid in (FIND, model)} == {uid: stated[uid] for uid in (FIND, model)}
    assert set(proposed) == (
        {ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation}
        if retrieve == "get"
        else set()
    )


@contextmanager
def listening(abstract_syntaxes: list[str]) -> Iterator[tuple[DicomNode, dict[str, list[str]]]]:
    """Run a peer that notes what is proposed to it."""
    proposed: dict[str, list[str]] = {}

    def note(event: Event) -> None:
        for context in event.assoc.requestor.requested_contexts:
            proposed[str(context.abstract_syntax)] = [str(each) for each in context.transfer_syntax]

    ae = AE(ae_title="PACS")
    for uid in abstract_syntaxes:
        ae.add_supported_context(uid)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_REQUESTED, note)])
    try:
        yield DicomNode("PACS", "127.0.0.1", server.socket.getsockname()[1], "TESTS"), proposed
    finally:
        server.shutdown()


def test_statuses_that_are_received() -> None:
    """Every status there is, by the first row that matches it."""
    rows = [(literals(row["Status"])[0], row["Outcome of the result"]) for row in table("7-9")]
    for status in range(0x10000):
        stated = next(end for pattern, end in rows if matches(pattern, f"{status:04X}"))
        assert stated == verdict_of(status).value, f"0x{status:04X}"


def matches(pattern: str, status: str) -> bool:
    return all(digit in (wanted, "x") or wanted == "x" for wanted, digit in zip(pattern, status, strict=True))


def test_http_statuses_about_the_object() -> None:
    stated = next(row["HTTP status"] for row in table("7-11") if "400" in row["HTTP status"])
    assert {int(status) for status in stated.split(", ")} == {int(status) for status in ABOUT_THE_OBJECT}


def test_answers_of_the_origin_server(tmp_path: Path) -> None:
    """As its own description says, and those of the guard before it."""
    settings = Settings(data_dir=tmp_path)
    engine, ledger = open_database(settings)
    described = create_application(site_of(settings, ledger)).openapi()["paths"]
    engine.dispose()
    responses = {int(status) for status in described["/dicomweb/studies"]["post"]["responses"]}
    assert {int(row["HTTP status"]) for row in table("5-4")} == responses | {401, 403, 429}


# --- text


@pytest.mark.parametrize("row", table("5-7"), ids=lambda row: row["Kind"])
def test_character_sets_are_understood(row: dict[str, str]) -> None:
    for term in literals(row["Defined terms"]):
        _, understood = encodings_for([term])
        assert understood, term
    assert not encodings_for(["Not Supplied"])[1]


def test_no_query_service_is_offered(tmp_path: Path) -> None:
    services = {row["Service"]: (row["SCU"], row["SCP"]) for row in table("1-3")}
    (others,) = (roles for service, roles in services.items() if service.startswith("Query/Retrieve"))
    assert others == ("yes (configurable; 5.2.4)", "no")
    with receiving(tmp_path) as receiver:
        ae = AE(ae_title="TESTS")
        ae.requested_contexts = [*QueryRetrievePresentationContexts, *VerificationPresentationContexts]
        assoc = ae.associate(*receiver.address, ae_title="CXR_GATEWAY")
        assert {context.abstract_syntax for context in assoc.accepted_contexts} == {Verification}
        assoc.release()
