"""The composition root of the role `web`: builds what pages and API are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.files.answering import Answering
from gateway.receive.capacity import Capacity
from gateway.receive.intake import Intake
from gateway.settings import Settings
from gateway.store.feedback import Feedback
from gateway.store.ledger import Ledger
from gateway.store.patients import Patients
from gateway.store.pictures import Pictures
from gateway.store.pulls import Pulls
from gateway.store.queries.feedback import FeedbackQueries
from gateway.store.queries.images import Images
from gateway.store.queries.priors import Priors
from gateway.store.queries.statistics import Statistics
from gateway.store.queries.studies import Studies
from gateway.store.queries.traffic import Traffic
from gateway.store.queries.worklist import Worklist
from gateway.store.refusals import RefusalRecorder, Refusals
from gateway.store.stores import open_stores
from gateway.web.api.prediction_sandbox import PredictionSandbox
from gateway.web.body import Bodies
from gateway.web.patient_index import PatientIndex
from gateway.web.security.access import Access
from gateway.web.security.audit import Looks, record_turned_away
from gateway.web.serving import WebServer
from gateway.web.site import Remembered, Site
from gateway.web.viewer.display import Display


@dataclass(frozen=True, slots=True)
class Website:
    """The role `web`."""

    settings: Settings
    server: WebServer
    recorder: RefusalRecorder
    index: PatientIndex

    def start(self) -> Mapping[str, object]:
        """Answer requests; see `Role`."""
        self.recorder.start()
        self.index.start()
        self.server.start()
        return {"url": self.server.url}

    def stop(self) -> None:
        """Finish the requests that are being answered; see `Role`."""
        self.server.stop(self.settings.shutdown_seconds)
        self.index.stop()
        self.recorder.stop()


def build(settings: Settings, _: sa.Engine, ledger: Ledger) -> Website:
    """Build the role; its port is bound when this returns."""
    site = site_of(settings, ledger)
    index = PatientIndex(Patients(ledger), site.stores.received.fetch, wanted=bool(settings.web.show_patient))
    return Website(settings, WebServer(site), RefusalRecorder(site.refusals), index)


def site_of(settings: Settings, ledger: Ledger) -> Site:
    """Build what the pages and the API ask.

    Raises
    ------
    OSError
        If the data directory cannot be written.
    """
    web, directory = settings.web, settings.directory
    data_dir = Answering(directory.root)
    stores = open_stores(settings, ledger)
    pictures = Pictures(directory.viewer_cache, web.cache_mb << 20, stores.received.may_have)
    return Site(
        settings=settings,
        data_dir=data_dir,
        ledger=ledger,
        stores=stores,
        intake=Intake(Capacity(settings.scp, stores.received, ledger, data_dir), stores.received, ledger),
        access=Access(web, settings.web_key, record_turned_away),
        display=Display(pictures, stores.received),
        sandbox=PredictionSandbox(settings),
        bodies=Bodies(directory.uploads, web.max_upload_mb, settings.scp.min_free_disk_mb),
        images=Images(ledger),
        worklist=Worklist(ledger),
        studies=Studies(ledger),
        priors=Priors(ledger),
        feedback=Feedback(ledger, reported=settings.delivery.reader_reports is not None),
        readings=FeedbackQueries(ledger),
        refusals=Refusals(ledger),
        pulls=Pulls(ledger),
        traffic=Traffic(ledger),
        statistics=Statistics(ledger),
        remembered=Remembered(),
        looks=Looks(),
    )
