"""A connection to another system whose answers come in pieces."""

from __future__ import annotations

import socket
from threading import Thread

from gateway.client.connection import Connection, Patience
from tests.support.sockets import acknowledges_at_once, converse


def test_an_answer_in_pieces_is_acknowledged_at_once() -> None:
    connection = Connection(Patience(60))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection.open(*listening.getsockname())
        peer, _ = listening.accept()
    near = connection._link
    near.setblocking(True)
    converse(near, peer)
    near.setblocking(False)
    assert not acknowledges_at_once(near), "else the test shows nothing"
    receiving = Thread(target=connection.take, args=[2])
    receiving.start()
    while not acknowledges_at_once(near):
        assert receiving.is_alive(), "the answer came without a wait"
    peer.sendall(b"ok")
    receiving.join()
    peer.close()
    connection.close()
