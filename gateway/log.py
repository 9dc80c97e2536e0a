"""The log: one JSON object a line in `<data_dir>/log/gateway.jsonl`, a readable line on stderr.

Events carry UIDs and AE titles; patient names, patient IDs and accession numbers never come here.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from gateway.errors import ConfigurationError
from gateway.log_file import LogFile
from gateway.settings import Log


def open_log(data_dir: Path, *, role: str, rules: Log | None = None) -> None:
    """Send every event of this process to the log file and to stderr.

    Parameters
    ----------
    rules
        When the file is rotated; None for the defaults.

    Raises
    ------
    ConfigurationError
        If the log file cannot be opened.
    """
    path = data_dir / "log" / "gateway.jsonl"
    try:
        file = LogFile(path, rules or Log())
    except OSError as error:
        raise ConfigurationError(f"data_dir: {path}: {error.strerror}") from None
    warnings.simplefilter("ignore")  # those of pydicom quote values, a patient's name too
    structlog.configure(
        processors=[
            structlog.processors.format_exc_info,
            _Tee(file, role),
        ],
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    _silence_libraries()


def _silence_libraries() -> None:
    """Libraries quote the values that they stumble over: a name in a bad character set, for one."""
    warnings.simplefilter("ignore")
    for name in ("pydicom", "highdicom"):
        logging.getLogger(name).disabled = True


def log_event(event: str, **data: Any) -> None:
    """Write one event of the contract (`ready`, `received`, `inferred`, …)."""
    structlog.get_logger().info(event, **data)


def log_bug(event: str, **data: Any) -> None:
    """Write one event with the traceback of the exception that is being handled."""
    structlog.get_logger().error(event, exc_info=True, **data)


class _Tee:
    """Writes each event twice: for programs and for people."""

    def __init__(self, file: LogFile, role: str) -> None:
        self._file = file
        self._role = role

    def __call__(self, _: Any, __: str, fields: structlog.typing.EventDict) -> str:
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = fields.pop("event")
        line = {"time": time, "event": event, "role": self._role, **fields}
        written = json.dumps(line, default=str, ensure_ascii=False) + "\n"
        readable = " ".join(f"{key}={value}" for key, value in fields.items() if value is not None)
        with suppress(OSError):  # a full disk must not end what is told
            self._file.append(written.encode(errors="backslashreplace"))
        with suppress(OSError):  # nobody reads it any more
            sys.stderr.write(f"{time} {event:<20} {readable}\n")
            sys.stderr.flush()
        raise structlog.DropEvent
