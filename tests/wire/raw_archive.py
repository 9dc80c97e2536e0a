"""An archive made of bytes, for wrongs that no library lets its user do: see `acceptor`.

It finds honestly unless told otherwise, in explicit VR little endian; what it does with C-GET is a script.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from tests.wire import pdus
from tests.wire.acceptor import Link, Request
from tests.wire.archive import Archive, find_honestly

C_FIND, C_GET = 0x0020, 0x0010
PENDING, SUCCESS = 0xFF00, 0x0000


@dataclass
class Raw:
    """One connection of the archive."""

    link: Link
    archive: Archive

    def respond(self, request: Request, status: int, identifier: bytes | None = None, **wrong: int) -> None:
        """Send a response; `wrong` replaces the message ID."""
        command = request.command[0x00000100]
        field = int.from_bytes(command, "little") | 0x8000
        message_id = wrong.get("message_id", request.message_id)
        data_set_type = pdus.NO_DATA_SET if identifier is None else pdus.DATA_SET
        encoded = pdus.command_set(
            pdus.element(0x00000100, pdus.us(field)),
            pdus.element(0x00000120, pdus.us(message_id)),
            pdus.element(0x00000800, pdus.us(data_set_type)),
            pdus.element(0x00000900, pdus.us(status)),
        )
        data = pdus.p_data(request.context_id, encoded, command=True)
        if identifier is not None:
            data += pdus.p_data(request.context_id, identifier, command=False)
        self.link.send(data)

    def store(self, image: Dataset, part: float = 1.0, context_id: int | None = None) -> None:
        """Send a C-STORE request in fragments, or a part of one."""
        number = context_for(image) if context_id is None else context_id
        body = encode(image, is_implicit_vr=False, is_little_endian=True)
        assert body is not None
        command = pdus.c_store_rq(str(image.SOPClassUID), str(image.SOPInstanceUID), message_id=99)
        self.link.send(pdus.p_data(number, command, command=True))
        end = int(len(body) * part)
        starts = range(0, end, 8192)
        for start in starts:
            is_last = part == 1.0 and start == starts[-1]
            self.link.send(
                pdus.p_data(number, body[start : min(start + 8192, end)], command=False, last=is_last)
            )

    def status_of_store(self) -> int:
        """Return the status with which the gateway answers a C-STORE request."""
        return int.from_bytes(self.link.request().command[0x00000900], "little")


Behaviour = Callable[[Raw, Request], None]


def context_for(image: Dataset) -> int:
    """Return the context of an image's class in explicit VR: two come before, each class has 16 codings."""
    return 5 + 2 * len(TRANSFER_SYNTAXES) * (image.Modality == "DX")


def find(raw: Raw, request: Request) -> None:
    """Answer a search honestly."""
    keys = decode(BytesIO(request.data), is_implicit_vr=False, is_little_endian=True)
    for status, answer in find_honestly(raw.archive, keys):
        assert answer is not None
        encoded = encode(answer, is_implicit_vr=False, is_little_endian=True)
        raw.respond(request, status, encoded)
    raw.respond(request, SUCCESS)


def script(images: Sequence[Dataset], get: Behaviour, find: Behaviour = find) -> Callable[[Link], None]:
    """Return the script of an archive of these images."""

    def follow(link: Link) -> None:
        raw = Raw(link, Archive(list(images)))
        link.accept(contexts=lambda number: pdus.answered_context(number, 0))
        while True:
            request = link.request()
            is_search = request.command[0x00000100] == pdus.us(C_FIND)
            (find if is_search else get)(raw, request)

    return follow
