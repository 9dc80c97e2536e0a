"""A whole gateway whose store is a bucket: moto's server as the peer, and a server that misbehaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.moto import MOTO_PYTHON, MotoServer
from tests.support.s3_server import BUCKET, Fault, S3Server, s3_server
from tests.support.sources import dx, encoded

pytestmark = pytest.mark.slow
needs_moto = pytest.mark.skipif(
    not MOTO_PYTHON.exists() and not os.environ.get("TESTS_NEED_PEERS"),
    reason="tests/peers/install.sh brings moto",
)


def image(folder: Path) -> tuple[str, Path]:
    """Write an image; return its SOP Instance UID and its file."""
    ds = dx()
    file = folder / f"{ds.SOPInstanceUID}.dcm"
    file.write_bytes(encoded(ds))
    return str(ds.SOPInstanceUID), file


def state(gateway: GatewayProcess, uid: str) -> tuple[str, str | None]:
    (version,) = gateway.versions(uid)
    return version["state"], version["reason"]


def until(gateway: GatewayProcess, uid: str, wanted: str) -> None:
    wait_for(lambda: state(gateway, uid)[0] == wanted)


def forget_copies(gateway: GatewayProcess) -> None:
    """Let this host have no copy: all that it reads comes from the bucket."""
    shutil.rmtree(gateway.data_dir / "cache", ignore_errors=True)


def store_on(url: str) -> dict[str, object]:
    keys = {"access_key_id": "tests", "secret_access_key": "tests"}
    return {"kind": "s3", "bucket": BUCKET, "endpoint": url, "prefix": "site", "timeout_seconds": 3} | keys


@needs_moto
def test_a_gateway_keeps_everything_in_a_bucket(tmp_path: Path) -> None:
    moto = MotoServer(BUCKET)
    moto.start()
    try:
        web = {"enabled": True, "port": 0}
        with running(tmp_path, doubles=["instant"], store=store_on(moto.url), web=web) as gateway:
            uid, file = image(tmp_path)
            assert gateway.send(file)[0].stored
            until(gateway, uid, "delivered")
            assert not list(gateway.data_dir.glob("spool/**/*.dcm"))
            listed = requests.get(f"{moto.url}/{BUCKET}?list-type=2&prefix=site/", timeout=60).text
            assert listed.count("<Key>site/received/") == 2  # the image and the mark
            assert listed.count("<Key>site/results/") == 3
            site = wait_for(lambda: [each["url"] for each in gateway.events("started") if "url" in each])[-1]
            assert uid in requests.get(f"{site}/instances/{uid}", timeout=60).text
            forget_copies(gateway)
            thumbnail = requests.get(f"{site}/instances/{uid}/thumbnail", timeout=60)
            assert (thumbnail.status_code, thumbnail.headers["content-type"]) == (200, "image/jpeg")
            assert requests.get(f"{site}/instances/{uid}/pixels", timeout=60).content[:4] == b"CXR2"
            downloaded = requests.get(f"{site}/instances/{uid}/download/source", timeout=60).content
            assert uid.encode() in downloaded
            assert requests.get(f"{site}/instances/{uid}/download/sr", timeout=60).ok
            assert 'gateway_store_up{store="spool"} 1.0' in requests.get(f"{site}/metrics", timeout=60).text

            forget_copies(gateway)
            shutil.rmtree(gateway.data_dir / "outbox")
            assert gateway.command("resend", uid).returncode == 0
            until(gateway, uid, "delivered")
            assert len(list((gateway.data_dir / "outbox").rglob("*.dcm"))) == 2

            gateway.pause("work")
            later, second = image(tmp_path)
            assert gateway.send(second)[0].stored
            gateway.kill()
            forget_copies(gateway)
            gateway.start()
            until(gateway, later, "delivered")

            moto.kill()
            _, third = image(tmp_path)
            assert not gateway.send(third)[0].stored
            assert gateway.events("refused")[-1]["status"] == "0xA700"
            assert "s3://gateway/site/received" in gateway.events("refused")[-1]["reason"]
            moto.start()  # empty, as another bucket would be
            assert not gateway.send(third)[0].stored
            findings = json.loads(gateway.command("doctor", "--json").stdout)
            told = {each["what"]: each["told"] for each in findings if each["verdict"] == "wrong"}
            assert "has no mark" in told["folder spool"]
            assert not gateway.events("failed")
    finally:
        moto.kill()


@pytest.fixture
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def key_of(server: S3Server, uid: str) -> str:
    """Return the key of an image."""
    return next(key for key, kept in server.objects.items() if uid.encode() in kept.content)


def test_images_wait_for_a_bucket_and_for_an_object(server: S3Server, tmp_path: Path) -> None:
    with running(tmp_path, doubles=["instant"], store=store_on(server.url)) as gateway:
        gateway.pause("work")
        files = dict(image(tmp_path) for _ in range(3))
        away, lost, hopeless = files
        assert all(sent.stored for sent in gateway.send(*files.values()))
        forget_copies(gateway)
        lost_key, hopeless_key = (key_of(server, uid) for uid in (lost, hopeless))
        gone = server.objects.pop(lost_key)
        del server.objects[hopeless_key]
        server.faults["GET"] = server.faults["HEAD"] = [Fault.ERROR] * 60
        os.kill(gateway.role("work"), signal.SIGCONT)
        wait_for(lambda: gateway.events("waiting"))
        assert {state(gateway, uid)[0] for uid in files} == {"received"}
        server.faults.clear()
        until(gateway, away, "delivered")
        wait_for(lambda: state(gateway, lost) == state(gateway, hopeless) == ("received", "file_missing"))
        server.objects[lost_key] = gone
        until(gateway, lost, "delivered")
        assert not gateway.events("failed")
        assert gateway.command("give-up", "--waiting").returncode == 0
        assert state(gateway, hopeless) == ("failed", "file_missing")
