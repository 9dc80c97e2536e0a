"""The cluster: HAProxy, two receivers, two workers, the web pages, PostgreSQL and its standby, and a PACS."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from gateway.proof.archive import AE_TITLE
from gateway.proof.cluster.balancer import balancer
from gateway.proof.cluster.clocks import wrong_clock
from gateway.proof.cluster.host import Host, Program
from gateway.proof.cluster.network import HERE, Network
from gateway.proof.cluster.postgresql import PostgresPair
from gateway.proof.injection import ORDERS, OVER_S3
from gateway.proof.object_store import ObjectStore, as_yaml
from gateway.proof.serving import ARMED
from gateway.settings import (
    SCP,
    Delivery,
    DicomDestination,
    FolderStore,
    Peer,
    Route,
    Settings,
    Web,
)

CALLING_AE_TITLE = "PROVE"
BALANCER, PACS, STORE = "balancer", "pacs", "store"
ROLES = {"receive1": "receive", "receive2": "receive", "work1": "work", "work2": "work", "web": "web"}
CLOCKS = {"receive1": 180, "receive2": -240, "work1": 300, "work2": -180, "web": 120}
"""Seconds by which the clock of a host is fast."""

PACS_PORT = SCP_PORT = 11112
S3_PORT = 9000
WEB_PORT = 8080
_TOKEN = "prove-prove-prove"  # noqa: S105 - of a cluster that nobody else reaches


class Cluster:
    """All hosts; `start` and `end` as of `Serving`.

    Parameters
    ----------
    given
        Settings of the caller; the model counts.
    folder
        Empty folder for the files of all hosts; other users may enter it from now on.
    orders
        Folder of the orders to kill.
    s3
        Command of an S3 server; None: the hosts share a folder of images and results.
    """

    def __init__(self, given: Settings, folder: Path, orders: Path, s3: str | None = None) -> None:
        self._given = given
        self._folder = folder
        folder.chmod(0o711)  # for the database's user
        self._orders = orders
        self.network = Network()
        self.hosts = {BALANCER: Host(BALANCER, self.network)}
        self.hosts |= {name: Host(name, self.network) for name in ROLES}
        databases = (Host("database1", self.network), Host("database2", self.network))
        self.hosts |= {host.name: host for host in databases}
        self.database = PostgresPair(folder / "databases", self.network, databases)
        self.pacs_address = self.network.add(PACS)
        self.objects = self._object_store(s3) if s3 else None

    @property
    def balancer_address(self) -> str:
        """Where senders send."""
        return self.hosts[BALANCER].address

    def settings(self, name: str) -> Settings:
        """Return the settings of a host, or of the experiment."""
        defaults = {key: field.get_default() for key, field in Settings.model_fields.items()}
        pacs = {"ae_title": AE_TITLE, "host": self.pacs_address, "port": PACS_PORT, "timeout_seconds": 10}
        changed = {
            "model": self._given.model,
            "data_dir": self._data_dir(name),
            "database": self.database.url,
            "store": self.objects.settings if self.objects else FolderStore(path=self._folder / "shared"),
            "scp": self._scp(),
            "destinations": (DicomDestination(name="archive", kind="dicom", **pacs),),
            "routes": (Route(calling_ae_title="*", to=("archive",)),),
            "delivery": Delivery(first_retry_seconds=0.5, longest_retry_seconds=5),
            "web": Web(bind="0.0.0.0", port=WEB_PORT, token=_TOKEN),  # noqa: S104 - of a network of its own
        }
        return self._given.model_copy(update=defaults | changed)

    def boot(self) -> None:
        """Switch every host on, and start the databases."""
        for host in self.hosts.values():
            host.boot()
        self.database.create()
        if self.objects:
            program = Program(self.objects.command, os.environ, self.objects.log)
            self.hosts[STORE].run("s3", program)
            self.objects.wait()

    def start(self) -> None:
        """Start the gateway's roles and the balancer; return before they are ready."""
        for name, role in ROLES.items():
            self.hosts[name].run(role, self._gateway_program(name, role))
        receivers = {name: self.hosts[name].address for name, role in ROLES.items() if role == "receive"}
        command = balancer(self._folder, self.balancer_address, SCP_PORT, receivers)
        log = self._folder / "haproxy.log"
        self.hosts[BALANCER].run("haproxy", Program(command, os.environ, log))

    def revive(self) -> None:
        """Start the programs that have ended on hosts that are up."""
        for host in self.hosts.values():
            host.revive()

    def end(self) -> None:
        """Switch every host off."""
        for host in self.hosts.values():
            host.lose_power()

    def health(self) -> str:
        """Return what is not well as the web host tells, empty where all is."""
        connection = HTTPConnection(self.hosts["web"].address, WEB_PORT, timeout=10)
        try:
            connection.request("GET", "/health/ready", headers={"Authorization": f"Bearer {_TOKEN}"})
            answer = connection.getresponse()
            told = answer.read(1000).decode(errors="replace")
        except (OSError, HTTPException) as error:
            return f"the web host does not answer: {type(error).__name__}"
        finally:
            connection.close()
        return "" if answer.status == HTTPStatus.OK else f"/health/ready answers {answer.status}: {told}"

    def ends(self) -> Iterator[tuple[str, int]]:
        """Yield host and exit status of each gateway role that ended without a power cut."""
        for name, role in ROLES.items():
            for status in self.hosts[name].programs[role].ends:
                yield name, status

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the events of the hosts' logs."""
        for name in ROLES:
            log = self.settings(name).directory.log
            for file in sorted(log.parent.glob("*.jsonl")):
                for line in file.read_text().splitlines():
                    yield name, _event(line)

    def _scp(self) -> SCP:
        return SCP(
            bind="0.0.0.0",  # noqa: S104 - of a network of its own
            port=SCP_PORT,
            processes="1",
            peers=(Peer(ae_title=CALLING_AE_TITLE, host=HERE),),
            trusted_proxies=(ip_network(self.balancer_address),),
        )

    def _object_store(self, command: str) -> ObjectStore:
        host = self.hosts[STORE] = Host(STORE, self.network)
        return ObjectStore(command, host.address, S3_PORT, self._folder / "s3.log")

    def _gateway_program(self, name: str, role: str) -> Program:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        file = folder / "gateway.yaml"
        file.write_text(yaml.safe_dump(as_yaml(self.settings(name))))
        command = [sys.executable, "-m", "gateway", role, "--config", str(file)]
        return Program(command, self._environment(name), folder / "stderr.txt")

    def _environment(self, name: str) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
        path = os.pathsep.join([str(ARMED), *filter(None, [own.get("PYTHONPATH")])])
        own |= {"PYTHONPATH": path, ORDERS: str(self._orders)} | ({OVER_S3: "1"} if self.objects else {})
        return own | dict(wrong_clock(CLOCKS[name]))

    def _data_dir(self, name: str) -> Path:
        return self._folder / name / "var"


def _event(line: str) -> dict[str, Any]:
    """Return an event; the last line of a log may be half there after a power cut."""
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return event
