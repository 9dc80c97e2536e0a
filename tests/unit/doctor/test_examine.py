"""The doctor meets real peers: ones that answer, refuse, hang up, want other names, or are not there."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pynetdicom.sop_class import SecondaryCaptureImageStorage, Verification

from gateway.configuration.settings_file import load_settings
from gateway.doctor.advice import ASK_SERVICE
from gateway.doctor.destinations import destinations
from gateway.doctor.finding import Finding, Severity
from gateway.doctor.model import model
from gateway.doctor.network import certificate, listener, peers, web
from gateway.doctor.storage import database, disk
from gateway.errors import ConfigurationError, NoGatewayYet
from gateway.files import mounts
from gateway.settings import Settings
from gateway.store.opening import look_into_database, open_database
from tests.support.certificates import Authority
from tests.support.free_ports import free_port
from tests.support.site import browsing, site_in
from tests.support.storage_peer import storage_peer
from tests.wire import pdus
from tests.wire.acceptor import Script, accepting
from tests.wire.fhir_server import CAPABILITIES, Reply, fhir_server
from tests.wire.mllp_server import mllp_server, say
from tests.wire.pacs_scripts import accepting_with, answering, close, context


def settings(tmp_path: Path, **changes: Any) -> Settings:
    names = [each["name"] for each in changes.get("destinations", ())] or ["outbox"]
    routes = [{"calling_ae_title": "*", "to": names}]
    return Settings(data_dir=tmp_path / "var", **{"routes": routes} | changes)


def pacs(port: int, **changes: Any) -> dict[str, Any]:
    node = {"name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": port}
    return node | {"timeout_seconds": 5} | changes


def stow(port: int) -> dict[str, Any]:
    return {"name": "web", "kind": "stow", "url": f"http://127.0.0.1:{port}/dicom-web"}


def hl7(port: int) -> dict[str, Any]:
    return {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": port}


def wrong(findings: Iterator[Finding]) -> Finding:
    """Return the one finding that is not good."""
    (found,) = [finding for finding in findings if finding.verdict is not Severity.GOOD]
    assert found.advice
    return found


@contextmanager
def http_server(status: int) -> Iterator[int]:
    """Answer every GET with that status; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/dicom+json")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output clean."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_pacs_that_takes_everything_is_good(tmp_path: Path) -> None:
    with storage_peer() as peer:
        found = list(destinations(settings(tmp_path, destinations=[pacs(peer.port)])))
    assert {finding.verdict for finding in found} == {Severity.GOOD}
    told = " ".join(finding.told for finding in found)
    assert "answers C-ECHO" in told
    assert "takes Comprehensive 3D SR Storage" in told
    assert "takes Secondary Capture Image Storage" in told
    assert not peer.received


def test_a_pacs_of_another_name_is_told_apart(tmp_path: Path) -> None:
    with storage_peer(ae_title="OTHER") as peer:
        found = wrong(destinations(settings(tmp_path, destinations=[pacs(peer.port)])))
    assert "Called AE title not recognised" in found.told
    assert found.advice.startswith("here: ae_title")


def test_a_pacs_without_our_report_is_told_what_to_allow(tmp_path: Path) -> None:
    with storage_peer(sop_classes=(SecondaryCaptureImageStorage, Verification)) as peer:
        found = wrong(destinations(settings(tmp_path, destinations=[pacs(peer.port)])))
    assert found.told == "does not take Comprehensive 3D SR Storage"
    assert "there: allow Comprehensive 3D SR Storage" in found.advice
    assert "here: results.sr: comprehensive" in found.advice


def test_nobody_there(tmp_path: Path) -> None:
    found = wrong(destinations(settings(tmp_path, destinations=[pacs(free_port())])))
    assert "nothing answers" in found.told
    assert "firewall" in found.advice


@pytest.mark.parametrize(
    ("status", "verdict", "advice"),
    [
        (200, Severity.GOOD, ""),
        (401, Severity.WRONG, "bearer_token"),
        (404, Severity.WRONG, "/dicom-web"),
        (501, Severity.DOUBTFUL, "only stores"),
    ],
)
def test_a_dicomweb_server(tmp_path: Path, status: int, verdict: Severity, advice: str) -> None:
    with http_server(status) as port:
        (found,) = destinations(settings(tmp_path, destinations=[stow(port)]))
    assert found.verdict is verdict
    assert advice in found.advice


def test_a_dicomweb_server_that_is_not_there(tmp_path: Path) -> None:
    assert "nothing answers" in wrong(destinations(settings(tmp_path, destinations=[stow(free_port())]))).told


def test_a_receiver_of_messages(tmp_path: Path) -> None:
    """A connection shows that it is there; a message would be taken for a result."""
    with mllp_server(say("AA")) as server:
        (found,) = destinations(settings(tmp_path, destinations=[hl7(server.port)]))
    assert found.verdict is Severity.GOOD
    assert server.messages == []
    assert "nothing answers" in wrong(destinations(settings(tmp_path, destinations=[hl7(server.port)]))).told


STATEMENT = json.loads(CAPABILITIES)


def as_json(resource: dict[str, object]) -> bytes:
    return json.dumps(resource).encode()


@pytest.mark.parametrize(
    ("metadata", "verdict", "words"),
    [
        (None, Severity.GOOD, "speaks FHIR 4.0.1 and takes transactions"),
        (Reply(401), Severity.WRONG, "401"),
        (Reply(200, b"<html>"), Severity.WRONG, "a web page or XML"),
        (Reply(200, CAPABILITIES.replace(b"4.0.1", b"5.0.0")), Severity.WRONG, "speaks FHIR 5.0.0"),
        (Reply(200, CAPABILITIES.replace(b"transaction", b"batch")), Severity.DOUBTFUL, "does not state"),
        (Reply(200, as_json(STATEMENT | {"rest": 5})), Severity.DOUBTFUL, "does not state"),
        (Reply(200, as_json(STATEMENT | {"rest": [{"interaction": True}]})), Severity.DOUBTFUL, "does not"),
    ],
)
def test_a_fhir_server(tmp_path: Path, metadata: Reply | None, verdict: Severity, words: str) -> None:
    with fhir_server(metadata=metadata) as server:
        ehr = {"name": "ehr", "kind": "fhir", "url": server.url}
        (found,) = destinations(settings(tmp_path, destinations=[ehr]))
    assert (found.verdict, words in found.told) == (verdict, True), found
    assert server.bodies == []


@pytest.mark.parametrize("kind", ["fhir", "stow"])
def test_advice_on_a_service_that_hangs_up_names_no_ae_title(tmp_path: Path, kind: str) -> None:
    with accepting([close]) as peer:
        place = {"name": kind, "kind": kind, "url": f"http://127.0.0.1:{peer.port}"}
        found = wrong(destinations(settings(tmp_path, destinations=[place])))
    assert found.advice == ASK_SERVICE


def test_a_fhir_server_that_is_busy_has_the_right_url(tmp_path: Path) -> None:
    with fhir_server(metadata=Reply(503)) as server:
        ehr = {"name": "ehr", "kind": "fhir", "url": server.url}
        found = wrong(destinations(settings(tmp_path, destinations=[ehr])))
    assert "503" in found.told
    assert found.advice == ASK_SERVICE


def test_a_pacs_whose_port_is_that_of_a_web_server(tmp_path: Path) -> None:
    with accepting([answering(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n")]) as peer:
        found = wrong(destinations(settings(tmp_path, destinations=[pacs(peer.port)])))
    assert "not DICOM" in found.told
    assert "something else than DICOM answers there" in found.advice


def test_a_token_endpoint_that_refuses(tmp_path: Path) -> None:
    with fhir_server(token=Reply(401, b'{"error": "invalid_client"}')) as server:
        ehr = {"name": "ehr", "kind": "fhir", "url": server.url, "token_url": f"{server.url}/token"}
        ehr |= {"client_id": "gateway", "client_secret": "s"}
        found = wrong(destinations(settings(tmp_path, destinations=[ehr])))
    assert "no access token" in found.told
    assert "client_id" in found.advice


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = {"name": "folder", "kind": "folder", "path": str(tmp_path / "file" / "folder")}
    assert "cannot be written" in wrong(destinations(settings(tmp_path, destinations=[folder]))).told


def test_a_destination_without_a_route(tmp_path: Path) -> None:
    folder = {"name": "folder", "kind": "folder", "path": str(tmp_path)}
    found = wrong(destinations(settings(tmp_path, destinations=[folder], routes=[])))
    assert "no route" in found.told


def test_the_port_is_free_or_somebody_elses(tmp_path: Path) -> None:
    port = free_port()
    (found,) = listener(settings(tmp_path, scp={"port": port}))
    assert found.verdict is Severity.GOOD
    assert "is free" in found.told
    with http_server(200) as port:
        used = wrong(listener(settings(tmp_path, scp={"port": port})))
        assert "not by this gateway" in used.told
        used = wrong(web(settings(tmp_path, web={"port": port})))
        assert "is used, not by a gateway" in used.told


def test_the_pages_of_a_gateway_are_known_by_their_health(tmp_path: Path) -> None:
    with browsing(site_in(tmp_path)) as browser:
        port = int(browser.url.rpartition(":")[2])
        (found,) = web(settings(tmp_path, web={"port": port}))
    assert (found.verdict, found.told) == (Severity.GOOD, f"a gateway's pages answer on 127.0.0.1:{port}")


def test_a_dicom_node_on_the_port_is_asked_who_it_is(tmp_path: Path) -> None:
    with storage_peer(ae_title="CXR_GATEWAY") as peer:
        (found,) = listener(settings(tmp_path, scp={"port": peer.port}))
    assert found.told.startswith("CXR_GATEWAY answers")


def test_a_listener_that_expects_a_proxy_here_is_not_asked(tmp_path: Path) -> None:
    with storage_peer(ae_title="CXR_GATEWAY") as peer:
        scp = {
            "port": peer.port,
            "trusted_proxies": ["127.0.0.0/8"],
            "peers": [{"ae_title": "A", "host": "h"}],
        }
        (found,) = listener(settings(tmp_path, scp=scp))
    assert found.verdict is Severity.GOOD
    assert "from an address of scp.trusted_proxies it is not asked" in found.told


def test_a_gateway_that_is_busy_is_not_taken_for_somebody_else(tmp_path: Path) -> None:
    with accepting([close, answering(lambda _: pdus.reject(2, 3, 1))]) as acceptor:
        (found,) = listener(settings(tmp_path, scp={"port": acceptor.port}))
    assert found.verdict is Severity.DOUBTFUL
    assert "Temporary congestion" in found.told
    assert "is the disk nearly full" in found.advice


@pytest.mark.parametrize(
    ("script", "told", "advice"),
    [
        (answering(lambda _: bytes.fromhex("15030100020246")), "speaks TLS", "give the destination its tls"),
        (close, "closed the connection before it answered", "it must know CXR_GATEWAY"),
        (accepting_with(contexts=context(1)), "user rejection", "its log says why"),
        (accepting_with(contexts=context(3)), "abstract syntax not supported", "its log says why"),
        (accepting_with(maximum_length=3), "at most 3 bytes", "its log says why"),
    ],
)
def test_a_pacs_that_answers_oddly(tmp_path: Path, script: Script, told: str, advice: str) -> None:
    with accepting([script]) as acceptor:
        found = wrong(destinations(settings(tmp_path, destinations=[pacs(acceptor.port)])))
    assert told in found.told
    assert advice in found.advice


def test_a_peer_without_an_address(tmp_path: Path) -> None:
    known = [{"ae_title": "CT", "host": "127.0.0.1"}, {"ae_title": "XR", "host": "no-such-host.invalid"}]
    found = wrong(peers(settings(tmp_path, scp={"peers": known})))
    assert found.what == "peer XR"


@pytest.mark.parametrize(
    ("days", "verdict"), [(-1, Severity.WRONG), (2, Severity.DOUBTFUL), (90, Severity.GOOD)]
)
def test_a_certificate_is_valid_for_so_long(tmp_path: Path, days: int, verdict: Severity) -> None:
    made = Authority(tmp_path / "authority").sign("gateway", days=days)
    (found,) = certificate(settings(tmp_path, scp={"tls": made.files}))
    assert found.verdict is verdict


def test_a_gateway_that_listens_has_a_database(tmp_path: Path) -> None:
    with listening() as port:
        found = wrong(database(settings(tmp_path, scp={"port": port})))
    assert "is its disk mounted?" in found.told


def test_disk_and_database(tmp_path: Path) -> None:
    here = settings(tmp_path, scp={"port": free_port()})
    assert "GB free" in next(disk(here)).told  # a slow disk is told besides
    (found,) = database(here)
    assert "made at the first start; if a gateway has run there, its disk is not mounted" in found.told
    engine, _ = open_database(here)
    engine.dispose()
    (found,) = database(here)
    assert found.told == "no images yet"
    full = next(disk(settings(tmp_path, scp={"min_free_disk_mb": 10**9})))
    assert full.verdict is not Severity.GOOD
    assert "A700" in full.advice


def test_a_disk_that_is_not_mounted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = settings(tmp_path)
    (tmp_path / "fstab").write_text(f"UUID=1 {here.data_dir.parent} ext4 nofail 0 2\n")
    monkeypatch.setattr(mounts, "FSTAB", tmp_path / "fstab")
    (found,) = disk(here)
    assert found.verdict is Severity.WRONG
    assert f"{here.data_dir.parent} is not mounted" in found.told
    with pytest.raises(NoGatewayYet, match="is not mounted"):
        look_into_database(here)
    with pytest.raises(ConfigurationError, match="is not mounted"):
        open_database(here)
    assert not here.data_dir.exists()


def test_the_disk_of_images_is_examined_where_they_lie_elsewhere(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    found = disk(settings(tmp_path, store={"path": images}, scp={"min_free_disk_mb": 10**9}))
    assert str(images) in [each.told for each in found if "GB free" in each.told][1]
    images.rmdir()
    away = disk(settings(tmp_path, store={"path": images}))
    assert len([each for each in away if "GB free" in each.told]) == 1


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    away = settings(tmp_path, database=f"postgresql://gateway:x@127.0.0.1:{free_port()}/gateway")
    assert "refused" in wrong(database(away)).told


def test_the_shipped_model_answers() -> None:
    (found,) = model(load_settings())
    assert "answers in" in found.told


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    assert "no model at" in wrong(model(settings(tmp_path, model={"path": str(tmp_path / "none")}))).told
