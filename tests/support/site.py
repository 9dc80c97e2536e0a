"""The web application over a real ledger, and rows for it to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import requests
from pydicom.dataset import Dataset

from gateway.processes.website import site_of
from gateway.records import Description, Received, Stage
from gateway.settings import FolderDestination, Section, Settings, Web
from gateway.store.descriptions import record_descriptions
from gateway.store.entries import StoredInstance
from gateway.store.opening import open_database
from gateway.store.spool import Spool
from gateway.web.serving import WebServer
from gateway.web.site import Site
from tests.support.database import database_in
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.ledger_rows import answer, claim, received, record_answer
from tests.support.sources import dx, encoded

HOSTILE = "<script>alert('x')</script>"


def site_in(
    folder: Path, database: str = "sqlite", sections: Mapping[str, Section] | None = None, **web: Any
) -> Site:
    """Open a site on a data directory of its own; `sections` are other sections of the settings by name."""
    settings = Settings(
        data_dir=folder,
        database=database,
        web=Web(port=0, **web),
        destinations=(FolderDestination(name="outbox", kind="folder", path=folder / "outbox"),),
        **(sections or {}),  # type: ignore[arg-type]
    )
    if database == "sqlite":
        database_in(folder)
    return site_of(settings, open_database(settings)[1])


class Browser(requests.Session):
    """Asks one server; addresses are paths."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def request(self, method: str, path: str, **keywords: Any) -> requests.Response:  # type: ignore[override]
        """Ask; redirects are not followed."""
        keywords |= {"allow_redirects": False, "timeout": PATIENCE_SECONDS}
        return super().request(method, self.url + path, **keywords)


def search_patient(browser: Browser, words: str, **fields: str) -> dict[str, str]:
    """Search the worklist by its form; return the fields of the address that it leads to."""
    answer = browser.post(
        "/search", data={"patient": words, **fields}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(answer.headers["location"].removeprefix("/?"), strict_parsing=True))


@contextmanager
def browsing(site: Site) -> Iterator[Browser]:
    """Serve the site on any free port for the length of a block."""
    server = WebServer(site)
    server.start()
    try:
        with Browser(server.url) as browser:
            yield browser
    finally:
        server.stop(10)


def add_image(site: Site, number: int, source: Dataset | None = None, **changes: Any) -> Received:
    """Receive an image; with `source`, its file lies in the spool."""
    folder = site.settings.data_dir
    row = received(folder, number, **changes)
    if source is not None:
        content = encoded(source)
        path = Spool(folder / "spool").keep(f"{number:064x}.dcm", [content])
        row = received(
            folder, number, **({"path": path, "sop_instance_uid": source.SOPInstanceUID} | changes)
        )
    site.ledger.record_received(row, 0.01)
    return row


def add_answer(site: Site, number: int, source: Dataset | None = None, **changes: Any) -> Received:
    """Receive an image and answer it: pneumonia, score 0.9, nothing delivered yet."""
    row = add_image(site, number, source or dx(), **changes)
    instance = answer_again(site, number)
    with site.ledger.session() as session:
        description = Description(HOSTILE, f"Maker {HOSTILE}", 0.4, 0.7)
        record_descriptions(session.connection, {instance.id: description})
        session.time({Stage.ANSWER: 1.5})
    return row


def answer_again(site: Site, number: int = 1, /, **model: Any) -> StoredInstance:
    """Answer the image that waits; another model may give this answer."""
    (instance,) = claim(site.ledger, f"batch {number}")
    record = answer(site.settings.data_dir, "outbox", uid=f"2.25.{number}", **model)
    assert record_answer(site.ledger, instance, record)
    return instance


def judged(site: Site, uid: str) -> int:
    """Return the number of the answer that a reader of the report sees; 0 where there is none."""
    shown = site.images.shown(uid)
    return shown.answer.id if shown and shown.answer else 0


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def stow(browser: Browser, *contents: bytes, path: str = "/dicomweb/studies") -> requests.Response:
    """Store Part 10 files by STOW-RS."""
    body = b"".join(b"--B\r\nContent-Type: application/dicom\r\n\r\n" + each + b"\r\n" for each in contents)
    kind = 'multipart/related; type="application/dicom"; boundary=B'
    return browser.post(path, data=body + b"--B--\r\n", headers={"Content-Type": kind})
