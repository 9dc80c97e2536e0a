"""FHIR transactions: what each answer of a server makes of a Bundle, and what the server keeps."""

import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.deliver.fhir import FhirServer as Destination
from gateway.deliver.outcome import Outcome, Verdict
from gateway.results.answer import Predecessor
from gateway.settings import FHIRDestination
from gateway.store.entries import PendingDelivery
from tests.support.answers import NORMAL, answer
from tests.support.messages import bundle, delivery_of
from tests.support.sources import dx, encoded
from tests.wire.fhir_server import FhirServer, Reply, Script, fhir_server, outcome, response
from tests.wire.stow_server import drip, flood, head, silence, stow_server, write

PROXYS = b"<html>\r\n<head><title>400 No required SSL certificate was sent</title></head></html>"
DELIVERED, LATER, NEVER, AWAY = Verdict.DELIVERED, Verdict.LATER, Verdict.NEVER, Verdict.AWAY
SHORT = 0.3
CREATED = ["201 Created"] * 5


@dataclass(frozen=True)
class Row:
    """An answer, and what the Bundle's outcome must be; `rest` is that of a second Bundle."""

    name: str
    reply: Reply
    verdict: Verdict
    words: str = ""
    rest: Verdict = DELIVERED
    unsure: bool = False


def answers(content: bytes, status: int = 200) -> Reply:
    return Reply(status, content)


ROWS = [
    Row("every entry with success", answers(response(*CREATED)), DELIVERED),
    Row("200 and 201", answers(response("200", "200 OK", *CREATED[:3])), DELIVERED),
    Row("a warning at an entry",
        answers(response(*CREATED, objection=outcome("odd", severity="warning"))), DELIVERED),
    Row("an entry refused", answers(response(*CREATED[:4], "422", objection=outcome("no code"))), NEVER,
        "an entry is answered 422: no code"),
    Row("an entry in conflict", answers(response(*CREATED[:4], "409 Conflict")), LATER, "answered 409"),
    Row("an entry with several matches", answers(response(*CREATED[:4], "412")), NEVER, "be merged there"),
    Row("an entry fails", answers(response(*CREATED[:4], "500")), LATER, "answered 500"),
    Row("an error at a success", answers(response(*CREATED, objection=outcome("not kept"))), LATER,
        "not kept", rest=AWAY, unsure=True),
    Row("fewer entries", answers(response(*CREATED[:4])), LATER, "answers 4 of 5 entries", unsure=True),
    Row("an entry without status", answers(response(*CREATED[:4], "")), LATER, "has no status", rest=AWAY,
        unsure=True),
    Row("another Bundle", answers(b'{"resourceType": "Bundle", "type": "searchset"}'), LATER,
        "no response to a transaction", rest=AWAY, unsure=True),
    Row("another resource", answers(outcome("fine", severity="information")), LATER,
        "no Bundle but a OperationOutcome", rest=AWAY, unsure=True),
    Row("a web page", answers(b"<html>Log in</html>"), LATER, "a web page or XML", rest=AWAY, unsure=True),
    Row("nothing", answers(b""), LATER, "cannot be read as JSON", rest=AWAY, unsure=True),
    Row("nested without end", answers(b"[" * 500_000), LATER, "cannot be read", rest=AWAY, unsure=True),
    Row("202", Reply(202, b""), LATER, "202", rest=AWAY, unsure=True),
    Row("400", Reply(400), NEVER, "status 400"),
    Row("400 of a proxy", Reply(400, PROXYS), LATER, "service: 400 No required SSL certificate was sent"),
    Row("413 of a proxy", Reply(413, b"<html>Too large</html>"), LATER, "not the service"),
    Row("404 of FHIR", Reply(404), NEVER, "status 404"),
    Row("404 of a web server", Reply(404, b"<html>"), AWAY, "correct the url", rest=AWAY),
    Row("422", Reply(422, outcome("one", "two")), NEVER, "one; two"),
    Row("413", Reply(413, b""), NEVER, "413"),
    Row("409", Reply(409), LATER, "status 409"),
    Row("412", Reply(412), NEVER, "several resources there have an identifier that names one"),
    Row("401", Reply(401), AWAY, "401", rest=AWAY),
    Row("403", Reply(403), AWAY, "403", rest=AWAY),
    Row("429", Reply(429), AWAY, "429", rest=AWAY),
    Row("500", Reply(500), LATER, "status 500", rest=AWAY, unsure=True),
    Row("502", Reply(502, b"<html>"), LATER, "502", rest=AWAY, unsure=True),
    Row("503", Reply(503), AWAY, "503", rest=AWAY),
    Row("a redirect", Reply(302, b"", {"Location": "/login"}), AWAY, "redirects to /login", rest=AWAY),
    Row("hangs up", Reply(0, hang_up=True), LATER, "before it answered", rest=AWAY, unsure=True),
]  # fmt: skip


def destination(url: str, **changes: Any) -> FHIRDestination:
    return FHIRDestination.model_validate({"name": "ehr", "kind": "fhir", "url": url} | changes)


def deliver(url: str, *deliveries: PendingDelivery, **changes: Any) -> list[Outcome]:
    return list(Destination(destination(url, **changes)).deliver(deliveries))


def first(reply: Reply) -> Script:
    return lambda number: reply if number == 1 else None


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[PendingDelivery]:
    """Two Bundles that wait for delivery."""
    folder = tmp_path_factory.mktemp("results")
    return [delivery_of(bundle(dx(SOPInstanceUID=f"1.2.{n}")), folder, n) for n in (1, 2)]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_server_that_answers(row: Row, two: list[PendingDelivery]) -> None:
    with fhir_server(first(row.reply)) as server:
        given, rest = deliver(server.url, *two, timeout_seconds=60)
    assert (given.verdict, row.words in (given.error or "")) == (row.verdict, True), given.error
    assert (rest.verdict, given.unsure) == (row.rest, row.unsure)
    assert given.error is None or (given.error.isprintable() and len(given.error) <= 1000)


@pytest.mark.parametrize(
    "script",
    [
        silence(),
        drip(head(200, "Content-Length: 99999"), b" "),
        flood(head(200), b" " * 65536),
        write(b"SSH-2.0\r\n"),
    ],
    ids=["silent", "drips", "floods", "no HTTP"],
)
def test_an_answer_without_an_end_ends(script: Any, two: list[PendingDelivery]) -> None:
    with stow_server(script) as server:
        url = f"http://127.0.0.1:{server.port}/fhir"
        given, rest = deliver(url, *two, timeout_seconds=SHORT)
    assert (given.verdict, rest.verdict, given.unsure) == (LATER, AWAY, True)


def test_nobody_there_is_away(two: list[PendingDelivery]) -> None:
    with fhir_server() as server:
        pass
    assert [each.verdict for each in deliver(server.url, *two)] == [AWAY, AWAY]


# --- what the server keeps


def test_the_bundle_is_sent_as_it_is(two: list[PendingDelivery]) -> None:
    with fhir_server() as server:
        (done,) = deliver(server.url, two[0])
    assert done.verdict is DELIVERED
    assert server.bodies == [two[0].path.read_bytes()]
    (sent,) = server.headers
    assert sent["Content-Type"] == sent["Accept"] == "application/fhir+json"
    assert sent["Prefer"] == "return=minimal"
    assert "Authorization" not in sent


def test_a_bundle_sent_again_makes_nothing_twice(two: list[PendingDelivery]) -> None:
    """The server has carried the first transaction out, and its answer is lost."""
    with fhir_server(first(Reply(0, hang_up=True, after=True))) as server:
        (lost,) = deliver(server.url, two[0])
        (again,) = deliver(server.url, replace(two[0], unsure=lost.unsure))
    assert (lost.verdict, lost.unsure, again.verdict) == (LATER, True, DELIVERED)
    assert server.bodies[0] == server.bodies[1]
    counts = {name: len(server.store.all(name)) for name in server.store.resources}
    assert counts == dict.fromkeys(
        ("ImagingStudy", "Device", "Observation", "DiagnosticReport", "Provenance"), 1
    )


def test_a_corrected_answer_updates_the_report(tmp_path: Path) -> None:
    source = dx(SOPInstanceUID="1.2.1")
    earlier = Predecessor("1.2.3", "1.2.3.1", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.77")
    corrected = answer(NORMAL, configuration="c1" * 32, predecessors=(earlier,))
    pending = [
        delivery_of(bundle(source, given), tmp_path, number)
        for number, given in enumerate((answer(), corrected), 1)
    ]
    with fhir_server() as server:
        outcomes = deliver(server.url, *pending)
    assert [each.verdict for each in outcomes] == [DELIVERED, DELIVERED]
    assert server.store.versions("DiagnosticReport") == server.store.versions("Observation") == [2]
    (report,) = server.store.all("DiagnosticReport")
    (observation,) = server.store.all("Observation")
    assert (report["status"], observation["status"]) == ("preliminary", "preliminary")
    assert observation["valueCodeableConcept"]["text"] == "Absent"
    assert report["result"] == [{"reference": "Observation/1", "type": "Observation"}]
    assert len(server.store.all("Provenance")) == 2


def test_a_study_that_is_there_stays_as_it_is(two: list[PendingDelivery]) -> None:
    with fhir_server() as server:
        entries = json.loads(two[0].path.read_bytes())["entry"]
        theirs = {**entries[0]["resource"], "description": "of the PACS"}
        server.store.add(theirs)
        (done,) = deliver(server.url, two[0])
    assert done.verdict is DELIVERED
    assert server.store.all("ImagingStudy") == [theirs]


def test_several_matches_are_told(two: list[PendingDelivery]) -> None:
    with fhir_server() as server:
        study = json.loads(two[0].path.read_bytes())["entry"][0]["resource"]
        server.store.add(study)
        server.store.add(study)
        (done,) = deliver(server.url, two[0])
    assert done.verdict is NEVER
    assert "must be merged there; 2 resources match" in (done.error or "")
    assert not server.store.all("DiagnosticReport"), "all or nothing"


# --- what is not sent, and what is not kept


def test_a_bundle_without_a_patient_id_is_not_sent(tmp_path: Path) -> None:
    with fhir_server() as server:
        (done,) = deliver(server.url, delivery_of(bundle(dx(PatientID=None)), tmp_path))
    assert (done.verdict, server.bodies) == (NEVER, [])
    assert "no Patient ID" in (done.error or "")


def test_a_superseded_bundle_does_not_follow_its_successor(two: list[PendingDelivery]) -> None:
    with fhir_server() as server:
        outcomes = deliver(server.url, replace(two[0], is_superseded=True), two[1])
    assert [each.verdict for each in outcomes] == [NEVER, DELIVERED]
    assert server.bodies == [two[1].path.read_bytes()]


@pytest.mark.parametrize("content", [b"", b"DICM", b"[]"])
def test_a_file_that_is_no_bundle_is_not_sent(content: bytes, tmp_path: Path) -> None:
    pending = delivery_of(bundle(), tmp_path)
    pending.path.write_bytes(content)
    with fhir_server() as server:
        (done,) = deliver(server.url, pending)
    assert (done.verdict, server.bodies) == (NEVER, [])


def test_what_a_server_says_of_the_patient_is_not_kept(tmp_path: Path) -> None:
    image = dx(PatientID="Q-77", PatientName="Löwe^Ada", AccessionNumber="ACC9")
    source = tmp_path / "source.dcm"
    source.write_bytes(encoded(image))
    told = outcome("Patient q-77 (LÖWE, Ada) has no order ACC9")
    with fhir_server(first(Reply(422, told))) as server:
        (done,) = deliver(server.url, delivery_of(bundle(image), tmp_path, source_path=source))
    assert (done.error or "").endswith("Patient […] ([…], […]) has no order […]")


# --- how long it is left alone


@pytest.mark.parametrize(
    ("stated", "least", "most"),
    [
        ("120", 120, 120),
        ("in an hour", 3000, 3600),
        ("99999999999", 86_400, 86_400),
        ("-5", None, None),
        ("soon", None, None),
        ("", None, None),
    ],
)
def test_a_server_says_for_how_long(
    stated: str, least: float | None, most: float | None, two: list[PendingDelivery]
) -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with fhir_server(
        first(Reply(429, headers={"Retry-After": stated.replace("in an hour", in_an_hour)}))
    ) as server:
        outcomes = deliver(server.url, *two)
    for each in outcomes:
        assert each.verdict is AWAY
        assert each.retry_after is None if least is None else least <= (each.retry_after or 0) <= (most or 0)


# --- credentials


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [({"username": "u", "password": "p"}, "Basic dTpw"), ({"bearer_token": "abc"}, "Bearer abc")],
)
def test_credentials_are_sent(credentials: dict[str, str], expected: str, two: list[PendingDelivery]) -> None:
    with fhir_server() as server:
        deliver(server.url, two[0], **credentials)
    assert server.headers[0]["Authorization"] == expected


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


def oauth(server: FhirServer, **client: Any) -> dict[str, Any]:
    return {"token_url": f"{server.url}/token", "client_id": "gateway:1"} | client


def test_a_token_is_asked_for_once_a_round(server: FhirServer, two: list[PendingDelivery]) -> None:
    client = oauth(server, client_secret="s/1", scope="system/*.cu")
    assert [each.verdict for each in deliver(server.url, *two, **client)] == [DELIVERED, DELIVERED]
    ((sent, form),) = server.tokens
    assert form == {"grant_type": "client_credentials", "scope": "system/*.cu"}
    assert b64decode(sent["Authorization"].removeprefix("Basic ")) == b"gateway%3A1:s%2F1"
    assert [each["Authorization"] for each in server.headers] == ["Bearer T-1"] * 2


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_client_signs_its_assertion(
    algorithm: str, server: FhirServer, two: list[PendingDelivery], tmp_path: Path
) -> None:
    key: Any = (
        rsa.generate_private_key(65537, 2048)
        if algorithm == "RS384"
        else ec.generate_private_key(ec.SECP384R1())
    )
    file = tmp_path / "client.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    client = oauth(server, client_key=file, client_key_id="k-1")
    assert [each.verdict for each in deliver(server.url, two[0], **client)] == [DELIVERED]
    ((_, form),) = server.tokens
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    content, _, signature = form["client_assertion"].rpartition(".")
    head, claims = (json.loads(decoded(each)) for each in content.split("."))
    assert head == {"alg": algorithm, "typ": "JWT", "kid": "k-1"}
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("gateway:1", "gateway:1", f"{server.url}/token")
    assert 0 < claims["exp"] - datetime.now(UTC).timestamp() <= 300
    given = decoded(signature)
    if algorithm == "RS384":
        key.public_key().verify(given, content.encode(), padding.PKCS1v15(), SHA384())
    else:
        halves = int.from_bytes(given[:48], "big"), int.from_bytes(given[48:], "big")
        key.public_key().verify(encode_dss_signature(*halves), content.encode(), ec.ECDSA(SHA384()))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(400, b'{"error": "invalid_client"}'), "400 Bad Request: invalid_client"),
        (Reply(200, b"<html>"), "and no token"),
        (Reply(200, b'{"access_token": "a\\r\\nX: y"}'), "and no token"),
        (Reply(503, b""), "503"),
        (Reply(0, hang_up=True), "before it answered"),
    ],
)
def test_without_a_token_nothing_is_sent(reply: Reply, words: str, two: list[PendingDelivery]) -> None:
    with fhir_server(token=reply) as server:
        outcomes = deliver(server.url, *two, **oauth(server, client_secret="s"))
    assert [each.verdict for each in outcomes] == [AWAY, AWAY]
    assert words in (outcomes[0].error or "")
    assert server.bodies == []


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----", None])
def test_a_key_that_cannot_be_used_is_told(
    content: bytes | None, server: FhirServer, two: list[PendingDelivery], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "client.pem").write_bytes(content)
    client = oauth(server, client_key=tmp_path / "client.pem")
    (done,) = deliver(server.url, two[0], **client)
    assert done.verdict is AWAY
    assert "client.pem cannot be used" in (done.error or "")
