"""OBJECTS: one PUT and one GET of an object by each S3 library, against moto's server on this machine.

`python -m benchmarks.objects` prints processor time and memory of the client alone; moto runs in a process of
its own.
"""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks import s3_clients
from tests.support.moto import MOTO_PYTHON, moto_server

LIBRARIES = {"boto3": str(MOTO_PYTHON), "obstore": sys.executable}
COLUMNS = ("put_cpu_ms", "put_ms", "get_cpu_ms", "get_ms", "idle_mib", "peak_mib")


def main() -> None:
    """Measure each library in a process of its own, and print a Markdown table."""
    print("| library | object | PUT, CPU ms | PUT, ms | GET, CPU ms | GET, ms | idle MiB | peak MiB |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    with moto_server(s3_clients.BUCKET) as server:
        for size in s3_clients.SIZES:
            for library, python in LIBRARIES.items():
                command = [python, s3_clients.__file__, library, server.url, size]
                done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
                found = json.loads(done.stdout)
                cells = [f"{found[name]:.1f}" for name in COLUMNS]
                print(f"| {library} | {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
