"""Scripts for an acceptor: the ways in which PACSs go wrong, each a function that a table can name."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from tests.wire import pdus
from tests.wire.acceptor import Link, Script, answer_to, serve

SLOW_BYTES, SLOW_SECONDS = 4_000_000, 9.0  # of `reads_slowly`


def answering(*bytes_of: Callable[[Link], bytes]) -> Script:
    """Answer the association request with bytes, then wait."""

    def script(link: Link) -> None:
        link.request_association()
        for each in bytes_of:
            link.send(each(link))
        link.wait_for_end()

    return script


def accepting_with(**how: Any) -> Script:
    """Accept the association in another way, then do all things right."""

    def script(link: Link) -> None:
        link.accept(**how)
        serve(link)

    return script


def after_the_request(then: Script) -> Script:
    """Read the association request, then do something else than to answer it."""

    def script(link: Link) -> None:
        link.request_association()
        then(link)

    return script


def stored_with(*statuses: int, then: Script = serve, **changes: object) -> Script:
    """Answer the first objects with these statuses, then go on."""

    def script(link: Link) -> None:
        link.accept()
        for status in statuses:
            link.answer(link.request(), status, **changes)
        then(link)

    return script


def close(_: Link) -> None:
    """Close the connection."""


def closes_within_acceptance(link: Link) -> None:
    link.send(link.acceptance()[:50])


def drips_acceptance(link: Link) -> None:
    drip(link.acceptance()[:-1])(link, b"")


def closes_instead_of_an_answer(link: Link) -> None:
    link.accept()
    link.request()


def two_answers_at_once(link: Link) -> None:
    link.accept()
    link.send(answer_to(link.request()) * 2)
    link.wait_for_end()


def in_the_middle(then: Script) -> Script:
    """Read the command and one fragment of data, then do something else."""

    def script(link: Link) -> None:
        link.accept()
        link.fragment()
        link.fragment()
        then(link)

    return script


def after_the_object(then: Callable[[Link, bytes], None]) -> Script:
    """Read one object, then do something with the answer that is due."""

    def script(link: Link) -> None:
        link.accept()
        then(link, answer_to(link.request()))
        link.wait_for_end()

    return script


def one_byte_steps(link: Link) -> None:
    link.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.request_association()
    for byte in link.acceptance():
        link.send(bytes([byte]))
    serve(link)


def drip(data: bytes) -> Callable[[Link, bytes], None]:
    """Send a byte a while, and never the last."""

    def script(link: Link, _: bytes) -> None:
        for byte in data:
            link.send(bytes([byte]))
            link.acceptor.ended.wait(0.2)
        link.rest()

    return script


def reads_slowly(link: Link) -> None:
    """Take a large object in longer than the timeout, but without a pause that is."""
    link.accept()
    begun = time.monotonic()
    link.fragment()
    is_last = False
    data = b""
    taken = 0
    while not is_last:
        _, _, is_last, fragment = link.fragment()
        data += fragment
        taken += len(fragment)
        due = begun + SLOW_SECONDS * taken / SLOW_BYTES
        link.acceptor.ended.wait(max(0.0, due - time.monotonic()))
    link.acceptor.stored.append(("slow", data))
    command = pdus.response(pdus.C_STORE_RSP, 1, 0x0000)
    link.send(pdus.p_data(1, command, command=True))
    serve(link)


def early(status: int, then: Script) -> Script:
    """Answer when the command has come, and only some of the data."""

    def script(link: Link) -> None:
        link.accept()
        link.fragment()
        link.send(pdus.p_data(1, pdus.response(pdus.C_STORE_RSP, 1, status), command=True))
        then(link)

    return script


def takes_the_rest(link: Link) -> None:
    while not link.fragment()[2]:
        pass
    serve(link)


def split_over_100_pdus(link: Link, _: bytes) -> None:
    command = pdus.response(pdus.C_STORE_RSP, 1, 0x0000, comment=b"x" * 64)
    size = -(-len(command) // 100)
    for start in range(0, len(command), size):
        last = start + size >= len(command)
        link.send(pdus.p_data(1, command[start : start + size], command=True, last=last))


def endless(fragment: bytes) -> Callable[[Link, bytes], None]:
    """Send fragments of a command set that never ends."""

    def script(link: Link, _: bytes) -> None:
        many = pdus.p_data(1, fragment, command=True, last=False) * 100
        while True:
            link.send(many)

    return script


def late_second_answer(link: Link) -> None:
    """Answer the first object twice, the second time when the second object has come."""
    link.accept()
    first = link.request()
    link.answer(first)
    link.request()
    link.answer(first)
    link.wait_for_end()


def never_released(link: Link) -> None:
    link.accept()
    link.answer(link.request())
    while link.pdu()[0] != pdus.RELEASE_RQ:
        pass
    link.rest()


def release_collision(link: Link) -> None:
    link.accept()
    link.answer(link.request())
    while link.pdu()[0] != pdus.RELEASE_RQ:
        pass
    link.send(pdus.release_rq())
    assert link.pdu()[0] == pdus.RELEASE_RP
    link.send(pdus.release_rp())


def sends(data: bytes, then: Script = Link.wait_for_end) -> Script:
    def script(link: Link) -> None:
        link.send(data)
        then(link)

    return script


def context(result: int, *syntaxes: bytes) -> Callable[[int], bytes]:
    """Answer a presentation context with a result and any number of transfer syntaxes."""

    def answered(number: int) -> bytes:
        body = struct.pack(">BxBx", number, result) + b"".join(pdus.item(0x40, each) for each in syntaxes)
        return pdus.item(0x21, body)

    return answered


def with_user(*sub_items: bytes) -> dict[str, bytes]:
    return {"user": pdus.item(0x50, b"".join(sub_items))}


LENGTH = pdus.item(0x51, struct.pack(">I", 16384))
CLASS_UID = pdus.item(0x52, b"1.2.3.4")
RSP = pdus.C_STORE_RSP


MALFORMED = pdus.pdu(pdus.ASSOCIATE_AC, bytes(68) + pdus.item(0x10, pdus.APPLICATION_CONTEXT, 999))


def raw(data: bytes) -> Callable[[Link], bytes]:
    return lambda _: data


def answer_bytes(data: bytes) -> Script:
    return after_the_object(lambda link, _: link.send(data))
