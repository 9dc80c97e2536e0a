"""Patients of images, for users who may see them: rows that stand only while `web.show_patient` is set.

The web role fills and empties them; retention deletes a row with the image's file. Searches compare keys:
Unicode NFKC, without case, words separated by one blank.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import Patient
from gateway.store.deletions import hold_deletions, wait_for_deletions
from gateway.store.ledger import Ledger
from gateway.store.schema import instances, patient_keys, patients

AT_ONCE = 200
"""Images that `Patients.unread` returns, and rows that `Patients.erase` deletes, in one transaction."""
MOST_FOUND = 2000
"""Images that a search by patient finds, the newest first."""
_LAST = "\U0010ffff"
_BLANKS = str.maketrans("^=,", "   ")


class Unread(NamedTuple):
    """An image without a patient's row; `path` is absolute."""

    id: int
    path: Path


class Patients:
    """The rows of patients. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def unread(self, *, above: int | None = None, below: int | None = None) -> list[Unread]:
        """Return images with a file and without a row: the oldest `above` a number, or the newest `below`."""
        number = instances.c.id
        known = sa.exists().where(patients.c.instance_id == number)
        query = sa.select(number, instances.c.path).where(instances.c.file_deleted_at.is_(None), ~known)
        if above is not None:
            query = query.where(number > above).order_by(number)
        else:
            query = query.order_by(number.desc())
            query = query if below is None else query.where(number < below)
        with self._ledger.transaction() as connection:
            rows = connection.execute(query.limit(AT_ONCE)).all()
        return [Unread(row.id, self._ledger.absolute(row.path)) for row in rows]

    def last_image(self) -> int:
        """Return the number of the newest image, 0 where there is none."""
        with self._ledger.transaction() as connection:
            return connection.scalar(sa.select(sa.func.max(instances.c.id))) or 0

    def keep(self, found: dict[int, Patient]) -> None:
        """Keep the patients of images, by number, whose files are still there."""
        if not found:
            return
        with self._ledger.transaction() as connection:
            hold = hold_deletions if connection.dialect.name == "sqlite" else wait_for_deletions
            hold(connection)
            there = instances.c.id.in_(found) & instances.c.file_deleted_at.is_(None)
            kept = connection.scalars(sa.select(instances.c.id).where(there)).all()
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            rows = [_row(number, found[number]) for number in kept]
            keys = [key for number in kept for key in _keys_of(number, found[number])]
            for table, values in ((patients, rows), (patient_keys, keys)):
                if values:
                    connection.execute(insert(table).on_conflict_do_nothing(), values)

    def erase(self) -> None:
        """Delete all rows, some in each transaction."""
        for table in (patient_keys, patients):
            some = sa.select(table.c.instance_id).limit(AT_ONCE)
            deleted = AT_ONCE
            while deleted:
                with self._ledger.transaction() as connection:
                    statement = sa.delete(table).where(table.c.instance_id.in_(some))
                    deleted = connection.execute(statement).rowcount


def forget_patient(connection: sa.Connection, instance_id: int) -> None:
    """Delete the rows of an image whose file goes."""
    for table in (patient_keys, patients):
        connection.execute(sa.delete(table).where(table.c.instance_id == instance_id))


def found_by(connection: sa.Connection, text: str) -> Sequence[int]:
    """Return the newest images of which a group of the name, the ID or the accession number begins so."""
    key = key_of(text)
    column = patient_keys.c.key
    query = sa.select(patient_keys.c.instance_id).distinct().where(column >= key, column < key + _LAST)
    return connection.scalars(query.order_by(patient_keys.c.instance_id.desc()).limit(MOST_FOUND)).all()


def key_of(text: str) -> str:
    """Return a name or number as it is compared: NFKC, without case, words separated by one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_BLANKS).split())


def _row(number: int, patient: Patient) -> dict[str, object]:
    groups = _groups(patient)
    return {"instance_id": number, **asdict(patient), "sorted_by": groups[0] if groups else ""}


def _groups(patient: Patient) -> list[str]:
    return [key for group in patient.name.split("=") if (key := key_of(group))]


def _keys_of(number: int, patient: Patient) -> Iterator[dict[str, object]]:
    numbers = (key_of(patient.patient_id), key_of(patient.accession_number))
    for key in dict.fromkeys([*_groups(patient), *filter(None, numbers)]):
        yield {"instance_id": number, "key": key}
