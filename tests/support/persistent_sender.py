"""A sender that repeats each image until the gateway has acknowledged it."""

from __future__ import annotations

import threading
from pathlib import Path

from gateway.errors import GatewayError
from tests.support.gateway_process import GatewayProcess


class Sender(threading.Thread):
    """Sends every file again and again until it is acknowledged, as a modality does."""

    def __init__(self, gateway: GatewayProcess, files: list[Path]) -> None:
        super().__init__()
        self._gateway = gateway
        self._left = files
        self.acknowledged: list[Path] = []
        self._more = threading.Event()

    def run(self) -> None:
        while self._left:
            self._send_once()

    def _send_once(self) -> None:
        try:
            stored = [sent.file for sent in self._gateway.send(*self._left[:4]) if sent.stored]
        except (GatewayError, RuntimeError, OSError, IndexError):
            self._more.wait(0.1)  # nobody listens now
            return
        self.acknowledged += stored
        self._left = [file for file in self._left if file not in stored]
