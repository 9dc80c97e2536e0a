"""The S3 clients that `benchmarks.objects` compares, each a process of its own with its own interpreter.

Both libraries send a SHA-256 for the server to check and refuse to overwrite, as the gateway does. This file
imports nothing of the gateway: boto3 lives in another environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

BUCKET = "gateway"
SIZES = {"10 MB": 10_240_000, "200 kB": 200_000}
ROUNDS = {"10 MB": 20, "200 kB": 200}
KEY, SECRET = "benchmark", "benchmark"  # of a server that takes any


class Client(Protocol):
    """What is measured."""

    def put(self, key: str, file: Path) -> None:
        """Store a file."""

    def get(self, key: str, file: Path) -> None:
        """Load into a file."""


class Boto3:
    """See `Client`."""

    def __init__(self, url: str) -> None:
        import boto3  # type: ignore[import-not-found]
        from botocore.config import Config  # type: ignore[import-not-found]

        style = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
        session = boto3.session.Session(KEY, SECRET, region_name="us-east-1")
        self._s3: Any = session.client("s3", endpoint_url=url, config=style)

    def put(self, key: str, file: Path) -> None:
        """Store a file."""
        with file.open("rb") as body:
            digest = b64encode(hashlib.file_digest(body, "sha256").digest()).decode()
            body.seek(0)
            self._s3.put_object(Bucket=BUCKET, Key=key, Body=body, ChecksumSHA256=digest, IfNoneMatch="*")

    def get(self, key: str, file: Path) -> None:
        """Load into a file."""
        with file.open("wb") as copy:
            for part in self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].iter_chunks(1 << 20):
                copy.write(part)


class Obstore:
    """See `Client`."""

    def __init__(self, url: str) -> None:
        import obstore
        from obstore.store import S3Store

        self._obstore: Any = obstore
        self._store: Any = S3Store(
            BUCKET,
            endpoint=url,
            region="us-east-1",
            access_key_id=KEY,
            secret_access_key=SECRET,
            virtual_hosted_style_request=False,
            checksum_algorithm="SHA256",
            conditional_put="etag",
            client_options={"allow_http": True},
        )

    def put(self, key: str, file: Path) -> None:
        """Store a file."""
        self._obstore.put(self._store, key, file, mode="create", use_multipart=False)

    def get(self, key: str, file: Path) -> None:
        """Load into a file."""
        with file.open("wb") as copy:
            for part in self._obstore.get(self._store, key).stream(min_chunk_size=1 << 20):
                copy.write(part)


def measure_client(library: str, url: str, size: str) -> dict[str, float]:
    """Return milliseconds of processor time for each put and get, their wall time, and MiB at most."""
    client: Client = Boto3(url) if library == "boto3" else Obstore(url)
    with tempfile.TemporaryDirectory() as folder:
        file, copy = Path(folder, "object"), Path(folder, "copy")
        file.write_bytes(os.urandom(SIZES[size]))
        prefix = f"{library}-{SIZES[size]}-{os.getpid()}"
        client.put(f"{prefix}-first", file)  # connects
        client.get(f"{prefix}-first", copy)
        before = _memory_mib("VmRSS")
        put = _each(lambda number: client.put(f"{prefix}-{number}", file), ROUNDS[size])
        get = _each(lambda number: client.get(f"{prefix}-{number}", copy), ROUNDS[size])
        assert copy.read_bytes() == file.read_bytes()
    peak = _memory_mib("VmHWM")
    return {
        "put_cpu_ms": put[0], "put_ms": put[1], "get_cpu_ms": get[0], "get_ms": get[1],
        "idle_mib": before, "peak_mib": peak,
    }  # fmt: skip


def _each(work: Callable[[int], None], rounds: int) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    for number in range(rounds):
        work(number)
    return 1000 * (time.process_time() - cpu) / rounds, 1000 * (time.perf_counter() - wall) / rounds


def _memory_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    print(json.dumps(measure_client(*sys.argv[1:])))
