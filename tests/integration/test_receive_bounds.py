"""What a megabyte of hostile input costs the receiver: memory and processor time of the real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.wire import pdus
from tests.wire.requestor import CLOSED, Requestor

MEGABYTE = 1_000_000
MORE_MB = 64
MOST_SECONDS = 5.0  # of one core
DX = "1.2.840.10008.5.1.4.1.1.1.1"
REPORTS = "1.2.840.10008.1.20.1"
CONTEXTS = [
    pdus.proposed_context(1, pdus.VERIFICATION, pdus.IMPLICIT_VR),
    pdus.proposed_context(3, DX.encode(), pdus.EXPLICIT_VR),
    pdus.proposed_context(5, REPORTS.encode(), pdus.IMPLICIT_VR),
]
PEER_IS_SCP = pdus.item(0x54, len(REPORTS).to_bytes(2, "big") + REPORTS.encode() + b"\0\1")
REQUEST = pdus.associate(pdus.ASSOCIATE_RQ, CONTEXTS, user=pdus.user_information(extra=PEER_IS_SCP))


class Receiver:
    """`gateway receive` as a process, weighed from outside."""

    def __init__(self, folder: Path) -> None:
        config = folder / "gateway.yaml"
        config.write_text(yaml.safe_dump({"data_dir": str(folder / "var"), "scp": {"port": 0}}))
        command = [sys.executable, "-m", "gateway", "receive", "--config", str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self._log = folder / "var" / "log" / "gateway.jsonl"
        (ready,) = wait_for(lambda: self._events("ready"))
        self.address = (str(ready["host"]), int(ready["port"]))

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def weigh(self) -> int:
        """Begin to measure the peak memory; return it as it is now, in MB."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # the peak becomes what is used now
        return self.peak_mb()

    def peak_mb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def seconds(self) -> float:
        """Return the processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _events(self, name: str) -> list[Any]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == name]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    running = Receiver(tmp_path_factory.mktemp("bounds"))
    yield running
    assert running.stop() == 0


def filled(part: bytes, total: int = MEGABYTE) -> bytes:
    return part * (total // len(part))


def command(body: bytes, context_id: int = 1, *, last: bool = True) -> bytes:
    return pdus.p_data(context_id, body, command=True, last=last)


def data(body: bytes, context_id: int = 3, *, last: bool = True) -> bytes:
    return pdus.p_data(context_id, body, command=False, last=last)


STORE_RQ = command(pdus.c_store_rq(DX, "1.2.3"), 3)
MANY_UIDS = pdus.command_set(
    pdus.element(0x00000002, pdus.VERIFICATION + b"\0"),
    pdus.element(0x00000100, pdus.us(pdus.C_ECHO_RQ)),
    pdus.element(0x00000110, pdus.us(1)),
    pdus.element(0x00000800, pdus.us(pdus.NO_DATA_SET)),
    pdus.element(0x00001001, b"1\\" * 32_000),
)
REPORT_RQ = pdus.command_set(
    pdus.element(0x00000002, pdus.uid(REPORTS)),
    pdus.element(0x00000100, pdus.us(0x0100)),
    pdus.element(0x00000110, pdus.us(1)),
    pdus.element(0x00000800, pdus.us(pdus.DATA_SET)),
    pdus.element(0x00001000, pdus.uid("1.2.840.10008.1.20.1.1")),
    pdus.element(0x00001002, pdus.us(1)),
)
CANCEL = pdus.command_set(
    pdus.element(0x00000100, pdus.us(0x0FFF)),
    pdus.element(0x00000120, pdus.us(1)),
    pdus.element(0x00000800, pdus.us(pdus.NO_DATA_SET)),
)
EMPTY_ITEMS = pdus.element(0x00081199, filled(b"\xfe\xff\x00\xe0\0\0\0\0", 250_000))
BEFORE: dict[str, Callable[[], bytes]] = {  # in place of an A-ASSOCIATE-RQ
    "unrecognised items": lambda: pdus.associate(1, CONTEXTS, extra=filled(pdus.item(0x60, b""), 250_000)),
    "empty user information": lambda: pdus.associate(1, CONTEXTS, user=filled(pdus.item(0x50, b""), 250_000)),
    "roles": lambda: pdus.associate(
        1, CONTEXTS, user=pdus.user_information(extra=filled(PEER_IS_SCP, 60_000))
    ),
    "128 contexts of 250 transfer syntaxes": lambda: pdus.associate(
        1, [pdus.proposed_context(each, DX.encode(), *[b"1.2"] * 250) for each in range(1, 257, 2)]
    ),
    "contexts of 5000 transfer syntaxes": lambda: pdus.associate(
        1,
        [
            pdus.proposed_context(number, DX.encode(), *(b"1.%d" % each for each in range(5000)))
            for number in (1, 3, 5, 7)
        ],
    ),
    "a claimed 4 GiB": lambda: pdus.pdu(1, bytes(MEGABYTE), length=0xFFFFFFFF),
    "an unknown PDU": lambda: pdus.pdu(0x47, bytes(MEGABYTE)),
}
WITHIN: dict[str, Callable[[], bytes]] = {
    "a command set": lambda: filled(command(bytes(8000), last=False)),
    "command sets of many UIDs": lambda: filled(command(MANY_UIDS)),
    "echoes": lambda: filled(command(pdus.c_echo_rq())),
    "values of one byte": lambda: STORE_RQ + filled(data(b"\0", last=False)),
    "values of no bytes": lambda: STORE_RQ + filled(data(b"", last=False)),
    "a PDU of values of no bytes": lambda: STORE_RQ + pdus.pdu(4, filled(b"\0\0\0\2\3\0")),
    "PDUs of no bytes": lambda: filled(pdus.pdu(4, b"")),
    "refused requests": lambda: filled(STORE_RQ + data(b"\0")),
    "reports of empty items": lambda: filled(command(REPORT_RQ, 5) + data(EMPTY_ITEMS, 5)),
    "small reports": lambda: filled(command(REPORT_RQ, 5) + data(b"\0", 5)),
    "cancellations": lambda: filled(command(CANCEL)),
    "releases": lambda: filled(pdus.release_rq()),
}


@pytest.mark.parametrize("name", [*BEFORE, *WITHIN])
def test_a_megabyte_costs_little_memory_and_time(receiver: Receiver, name: str) -> None:
    says = (BEFORE | WITHIN)[name]()
    assert len(says) < 1.1 * MEGABYTE
    memory, seconds = receiver.weigh(), receiver.seconds()
    with Requestor(receiver.address) as peer, ThreadPoolExecutor(1) as pool:
        if name in WITHIN:
            peer.say(REQUEST)
            assert str(peer.hear()) == "accepted"
        said = pool.submit(peer.finish, says)
        assert peer.hear_all()[-1] == CLOSED
        said.result()
    print(f"{name}: {receiver.peak_mb() - memory} MB, {receiver.seconds() - seconds:.1f} s")  # noqa: T201
    assert receiver.peak_mb() - memory <= MORE_MB
    assert receiver.seconds() - seconds <= MOST_SECONDS
    with Requestor(receiver.address) as honest:
        honest.say(REQUEST)
        assert str(honest.hear()) == "accepted"
        assert honest.ask(1, pdus.c_echo_rq()).status == 0
