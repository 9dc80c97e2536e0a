"""One bucket of an S3 server, and the errors of its requests. The only file that imports obstore.

Every method asks again until the time for one object is over, and raises `Retry` then: whatever a server
answers but "not there" and "there already" may be another answer later.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from gateway.errors import ConfigurationError, Retry
from gateway.files.draft import Buffer
from gateway.peer_text import clean
from gateway.settings import S3Store

try:
    import obstore
    from obstore import exceptions, store
except ImportError as absent:  # an optional extra
    raise ConfigurationError(
        "store.kind: s3 needs obstore; install it with: pip install 'cxr-gateway[s3]'"
    ) from absent

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

ONE_PUT_BYTES = 64 << 20
"""Larger objects are sent in parts: a request that breaks does not send all of them again."""

_PART_BYTES = 16 << 20
_READ_BYTES = 1 << 20
_SMALL_BYTES = 4096
_PAGE = 1000  # objects
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts
_THERE_ALREADY = (exceptions.AlreadyExistsError, exceptions.PreconditionError, exceptions.NotModifiedError)
_DENIED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Found:
    """An object: key without the prefix, size in bytes, time of writing by the server's clock."""

    key: str
    size: int
    modified: datetime


class Bucket:
    """The objects under one prefix. Safe for any number of threads; nothing is connected yet.

    Parameters
    ----------
    settings
        See `S3Store`.
    """

    def __init__(self, settings: S3Store) -> None:
        self._seconds = settings.timeout_seconds
        self._prefix = f"{settings.prefix.strip('/')}/" if settings.prefix.strip("/") else ""
        self._name = settings.bucket
        self._store = store.S3Store(
            settings.bucket,
            config=_config(settings),
            client_options=_client(settings),
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
        )

    def url(self, key: str) -> str:
        """Return a key as people know it."""
        return f"s3://{self._name}/{self._prefix}{key}"

    def put(self, key: str, file: Path, *, create: bool) -> bool:
        """Send a file; False where `create` is asked for and the server says that it has the key.

        A large file is sent in parts, for which a server knows no such condition: it is asked before.
        """
        if file.stat().st_size > ONE_PUT_BYTES:
            return self._put_in_parts(key, file)
        mode: Literal["create", "overwrite"] = "create" if create else "overwrite"

        def put() -> bool:
            try:
                obstore.put(self._store, self._prefix + key, file, mode=mode, use_multipart=False)
            except _THERE_ALREADY:
                return False
            return True

        return self._until_answered(key, put)

    def _put_in_parts(self, key: str, file: Path) -> bool:
        found = self.find(key)
        if found and found.size == file.stat().st_size:
            return False
        send = self._sending(key, file, chunk_size=_PART_BYTES, max_concurrency=2)
        self._until_answered(key, send)
        return True

    def _sending(self, key: str, content: Path | bytes, **how: Any) -> Callable[[], object]:
        return lambda: obstore.put(self._store, self._prefix + key, content, **how)

    def write_small(self, key: str, content: bytes) -> None:
        """Write a few bytes, over whatever is there."""
        self._until_answered(key, self._sending(key, content, use_multipart=False))

    def read_small(self, key: str) -> str:
        """Return the text of a small object, empty where there is none."""
        taken: list[bytes] = []
        self.read(key, lambda part: taken.append(bytes(part)), most_bytes=_SMALL_BYTES)
        return b"".join(taken).decode("ascii", "replace").strip()[:64]

    def find(self, key: str) -> Found | None:
        """Return what the server knows of an object, None where it has none."""

        def find() -> Found | None:
            try:
                return _found(obstore.head(self._store, self._prefix + key), self._prefix)
            except FileNotFoundError:
                return None

        return self._until_answered(key, find)

    def read(self, key: str, take: Callable[[Buffer], None], most_bytes: int | None = None) -> bool:
        """Hand an object over in parts; False where there is none.

        An answer that breaks off is not asked for again: some of it has been taken.

        Raises
        ------
        Retry
            Also where the object is larger than `most_bytes`, or does not come in time.
        """
        end = time.monotonic() + self._seconds

        def begin() -> Any:
            try:
                return obstore.get(self._store, self._prefix + key)
            except FileNotFoundError:
                return None

        found = self._until_answered(key, begin)
        if found is None:
            return False
        if most_bytes is not None and found.meta["size"] > most_bytes:
            raise Retry(f"{self.url(key)}: is larger than {most_bytes} bytes")
        try:
            for part in found.stream(min_chunk_size=_READ_BYTES):
                take(memoryview(part))
                if time.monotonic() > end:
                    raise Retry(f"{self.url(key)}: does not come within {self._seconds:g} s")
        except exceptions.BaseError as error:
            raise self._told(key, error) from error
        return True

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""

        def delete() -> None:
            try:
                obstore.delete(self._store, self._prefix + key)
            except FileNotFoundError:
                return

        self._until_answered(key, delete)

    def listed(self, part: str) -> Iterator[Found]:
        """Yield the objects whose keys begin with this part, in the order of the server.

        Raises
        ------
        Retry
            Also where the list begins again and again, as a server's does that ignores how far it was read.
        """
        seen: set[str] = set()
        try:
            for page in obstore.list(self._store, prefix=self._prefix + part, chunk_size=_PAGE):
                if page and page[0]["path"] in seen:
                    raise Retry(f"{self.url(part)}: the list of objects repeats itself and has no end")
                seen.update(each["path"] for each in page[:1])
                for each in page:
                    yield _found(each, self._prefix)
        except exceptions.BaseError as error:
            raise self._told(part, error) from error

    def _until_answered(self, key: str, ask: Callable[[], Value]) -> Value:
        """Return the answer of the server, asked again until the time is over."""
        end = time.monotonic() + self._seconds
        pause = _FIRST_PAUSE
        while True:
            try:
                return ask()
            except _DENIED as error:
                raise self._told(key, error) from error
            except (exceptions.BaseError, OSError) as error:
                if time.monotonic() + pause > end:
                    raise self._told(key, error) from error
            time.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _told(self, key: str, error: Exception) -> Retry:
        advice = "; check the keys under store" if isinstance(error, _DENIED) else ""
        return Retry(f"{self.url(key)}: {clean(str(error).partition('Debug source:')[0], 300)}{advice}")


def _found(meta: Any, prefix: str) -> Found:
    return Found(meta["path"].removeprefix(prefix), meta["size"], meta["last_modified"])


def _config(settings: S3Store) -> S3Config:
    config: S3Config = {"region": settings.region, "disable_tagging": True}
    if settings.conditional_put:
        config["conditional_put"] = "etag"
    if settings.checksum:
        config["checksum_algorithm"] = "SHA256"
    if settings.endpoint:
        config["endpoint"] = settings.endpoint.rstrip("/")
        config["virtual_hosted_style_request"] = False
    if settings.access_key_id and settings.secret_access_key:
        config["access_key_id"] = settings.access_key_id.get_secret_value()
        config["secret_access_key"] = settings.secret_access_key.get_secret_value()
    return config


def _client(settings: S3Store) -> ClientConfig:
    each = timedelta(seconds=settings.timeout_seconds / 2)
    options: ClientConfig = {"timeout": each, "connect_timeout": each}
    options["allow_http"] = bool(settings.endpoint and settings.endpoint.startswith("http:"))
    if settings.ca:
        options["root_certificate"] = settings.ca.read_bytes()
    return options
