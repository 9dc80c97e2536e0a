"""A store that is an S3 bucket; it implements `Objects`.

A file lies beside the gateway while it comes; `publish` sends it as one object under the hash of its content,
asks the server to refuse to overwrite and to compare the checksum, and asks afterwards whether the object is
there. An answer that is lost is asked for again: the same bytes under the same key do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import NamedTuple

from gateway.errors import Missing, Retry
from gateway.files.draft import Buffer, Draft
from gateway.store.bucket import Bucket, Found
from gateway.store.copies import Copies
from gateway.store.marks import is_id, new_id
from gateway.store.spool import REMEDY

MARK = ".gateway-id"
CLOCK = ".gateway-clock"
CHECK_LASTS_SECONDS = 30.0
"""Seconds for which a store that was there is believed to be there."""
AWAY_LASTS_SECONDS = 3.0
"""Seconds for which a store that was away is believed to be away: nobody waits for it meanwhile."""
_CHUNK = 1 << 20
_PART_10_HEAD = 144  # bytes up to the end of the group length (PS3.10 7.1)
_GROUP_LENGTH = slice(140, 144)
_LONGEST_HEAD = 1 << 16  # bytes; a longer one is damage


class S3Rules(NamedTuple):
    """Rules for the use of a store; see `S3Store`."""

    conditional_put: bool = True
    reads_back: bool = False
    cache_bytes: int = 2000 << 20
    orphan_hours: float | None = 24


class S3Objects:
    """The objects under one part of a bucket's keys.

    Parameters
    ----------
    copies
        Their local copies.
    bucket
        The bucket and the prefix.
    part
        The keys begin with it: `received` or `results`.
    mark
        The id that the ledger knows; it is the content of the object `<part>/.gateway-id`.
    is_part_10
        Hashes are of the data set, without preamble and file meta information.
    """

    def __init__(
        self, copies: Copies, bucket: Bucket, part: str, mark: str, rules: S3Rules, *, is_part_10: bool
    ) -> None:
        self._copies = copies
        self._bucket = bucket
        self._part = part
        self._mark = mark
        self._rules = rules
        self._is_part_10 = is_part_10
        self._lock = Lock()
        self._known: str | None = None  # the last answer of `problem`, until then
        self._known_until = float("-inf")
        self._old_before = datetime.min.replace(tzinfo=UTC)  # by the server's clock, as `orphans` last found

    # --- the store

    @property
    def root(self) -> Path:
        """The folder of the copies."""
        return self._copies.root

    @property
    def shelf(self) -> Copies:
        """The copies."""
        return self._copies

    @property
    def place(self) -> str:
        """The URL that the keys begin with."""
        return self._bucket.url(self._part)

    def problem(self) -> str | None:
        """See `Objects`: the mark is read."""
        try:
            problem = self._compared()
        except Retry as error:
            problem = str(error)
        self._note(problem)
        return problem

    def check(self) -> None:
        """See `Objects`."""
        with self._lock:  # one of many threads asks
            problem = self._known
            if monotonic() > self._known_until:
                problem = self.problem()
        if problem:
            raise Retry(problem)

    def _note(self, problem: str | None) -> None:
        self._known = problem
        self._known_until = monotonic() + (AWAY_LASTS_SECONDS if problem else CHECK_LASTS_SECONDS)

    def _compared(self) -> str | None:
        found = self._bucket.read_small(f"{self._part}/{MARK}")
        if found == self._mark:
            return None
        case = f"has the mark {found!r}" if found else "has no mark"
        return (
            f"{self.place} {case}, not the ledger's: name the right bucket and prefix under store; "
            f"if its objects are lost for good, write {self._mark} into {self.place}/{MARK}"
        )

    # --- writing

    def begin(self, head: Buffer = b"") -> Draft:
        """See `Shelf`."""
        self.check()
        return self._copies.begin(head)

    def finish(self, draft: Draft, name: str) -> Path:
        """See `Shelf`."""
        return self._copies.finish(draft, name)

    def publish(self, path: Path) -> bool:
        """See `Objects`."""
        key = self._key(path)
        try:
            created = self._bucket.put(key, path, create=self._rules.conditional_put)
            if self._is_there(key, path):
                return created and self._rules.conditional_put
            self._bucket.put(key, path, create=False)  # what lies there is damaged, or was deleted just now
            if self._is_there(key, path):
                return False
            raise Retry(f"{self._bucket.url(key)}: the server took it, and does not have it as it was")
        except OSError as error:
            raise Retry(f"{path}: {error.strerror}") from error
        except Retry as error:
            self._note(str(error))
            raise

    def _is_there(self, key: str, path: Path) -> bool:
        """Tell whether the store has the object: by its size, and by reading it where that says too little.

        An object of another size may be right: equal data sets of two senders differ in their heads.
        """
        found = self._bucket.find(key)
        if found is None:
            return False
        if found.size == path.stat().st_size and not self._rules.reads_back:
            return True
        return self._load(key, path) is not None

    # --- reading

    def fetch(self, path: Path) -> None:
        """See `Objects`."""
        if self._copies.has(path):
            return
        key = self._key(path)
        draft = self._load(key, path, keep=True)
        if draft is None:
            self._look_at_mark()
            raise Missing(f"{self._bucket.url(key)} is gone or damaged, and its store is there: {REMEDY}")
        try:
            self._copies.place(draft, path)
        except OSError as error:
            raise Retry(f"{path}: {error.strerror}") from error

    def has(self, path: Path) -> bool:
        """See `Objects`."""
        if self._bucket.find(self._key(path)):
            return True
        self._look_at_mark()
        return False

    def may_have(self, path: Path) -> bool:  # noqa: ARG002 - only the server knows
        """See `Objects`."""
        return True

    def _look_at_mark(self) -> None:
        if problem := self.problem():
            raise Retry(problem)

    def _load(self, key: str, path: Path, *, keep: bool = False) -> Draft | None:
        """Load an object and compare its hash; None where there is none, or another content.

        The draft has been discarded unless `keep`.
        """
        taker = _Taker(self._copies, skip_head=self._is_part_10)
        try:
            is_there = self._bucket.read(key, taker.take)
            draft = taker.end()
        except OSError as error:
            taker.discard()
            raise Retry(f"{self._copies.root}: {error.strerror}") from error
        except BaseException:
            taker.discard()
            raise
        is_right = is_there and draft.sha256 == path.parent.name
        if not (is_right and keep):
            draft.discard()
        return draft if is_right else None

    # --- the end

    def remove(self, path: Path) -> int:
        """See `Objects`."""
        key = self._key(path)
        found = self._bucket.find(key)
        self._bucket.delete(key)
        self._copies.remove(path)
        return found.size if found else 0

    def orphans(self) -> Iterator[Path]:
        """See `Objects`."""
        hours = self._rules.orphan_hours
        if hours is None:
            return
        self._old_before = self._servers_time() - timedelta(hours=hours)
        for found in self._listed():
            if found.modified < self._old_before:
                yield self._path(found.key)

    def is_orphan(self, path: Path) -> bool:
        """See `Objects`."""
        found = self._bucket.find(self._key(path))
        return found is not None and found.modified < self._old_before

    def _servers_time(self) -> datetime:
        """Return the time by the clock that dates the objects: by another one, a new object may look old."""
        key = f"{self._part}/{CLOCK}"
        self._bucket.write_small(key, b"asked what time it is\n")
        found = self._bucket.find(key)
        if found is None:
            raise Retry(f"{self._bucket.url(key)}: the server took it, and does not have it")
        return min(found.modified, datetime.now(UTC))

    def tidy(self) -> None:
        """See `Objects`."""
        self._copies.shrink(self._rules.cache_bytes)

    def used_bytes(self) -> int:
        """See `Objects`."""
        return sum(found.size for found in self._listed())

    def free_mb(self) -> int:
        """Return the free space for copies; `Retry` where it is not known."""
        try:
            return self._copies.free_mb()
        except OSError as error:
            raise Retry(f"{self._copies.root}: {error.strerror}") from error

    def _listed(self) -> Iterator[Found]:
        for found in self._bucket.listed(f"{self._part}/"):
            if not found.key.endswith((f"/{MARK}", f"/{CLOCK}")):
                yield found

    # --- keys

    def _key(self, path: Path) -> str:
        """Return the key of a path: `received/<sha256>`, or `results/<sha256>/<name>`."""
        return f"{self._part}/{path.parent.name}" + ("" if self._is_part_10 else f"/{path.name}")

    def _path(self, key: str) -> Path:
        """Return the path of a key."""
        sha256, _, name = key.removeprefix(f"{self._part}/").partition("/")
        return self._copies.root / sha256 / (name or f"{sha256}.dcm")


def mark_in(bucket: Bucket, part: str, remember: Callable[[str], str]) -> str:
    """Mark a part of a bucket at the first start of a gateway, and return the id.

    Of several roles that start at once, `remember` tells all the id of the first; each makes sure of it.

    Raises
    ------
    Retry
        If the store is away, or something else answers in its place: that must not become the id.
    """
    key = f"{part}/{MARK}"
    found = bucket.read_small(key)
    if found and not is_id(found):
        raise Retry(f"{bucket.url(key)} is {found!r}, and no mark: does a proxy answer there, not the store?")
    if not found:
        found = new_id()
        _write(bucket, key, found)
    mark = remember(found)
    if bucket.read_small(key) != mark:
        _write(bucket, key, mark)
    return mark


def _write(bucket: Bucket, key: str, mark: str) -> None:
    bucket.write_small(key, f"{mark}\n".encode("ascii"))


class _Taker:
    """Takes an object in parts of any size; hashes what follows the head of a Part 10 file."""

    def __init__(self, copies: Copies, *, skip_head: bool) -> None:
        self._copies = copies
        self._head = b""
        self._head_size = _PART_10_HEAD if skip_head else 0
        self._draft: Draft | None = None

    def take(self, part: Buffer) -> None:
        """Take the next bytes."""
        if self._draft is None:
            self._head += bytes(part)
            if not self._begin():
                return
        else:
            self._draft.write(part)

    def _begin(self) -> bool:
        """Begin the draft once the whole head is there."""
        if len(self._head) < self._head_size:
            return False
        if self._head_size == _PART_10_HEAD:
            self._head_size += min(int.from_bytes(self._head[_GROUP_LENGTH], "little"), _LONGEST_HEAD)
            if len(self._head) < self._head_size:
                return False
        self._draft = self._copies.begin(self._head[: self._head_size])
        self._draft.write(self._head[self._head_size :])
        return True

    def end(self) -> Draft:
        """Return what was taken, also where not even the head is whole."""
        if self._draft is None:
            self._draft = self._copies.begin(self._head)
        return self._draft

    def discard(self) -> None:
        """Forget what was taken."""
        if self._draft is not None:
            self._draft.discard()
