"""Problems of settings in words. `settings_file` calls it. Values of secret keys are never quoted."""

from __future__ import annotations

from gateway.settings import Settings
from gateway.yaml_files.wording import Problem, Wording

SECRET_KEYS = {"token", "password", "bearer_token", "client_secret", "access_key_id", "secret_access_key"}
SECRETS = SECRET_KEYS | {"database"}
"""Settings whose values no problem quotes; a database's URL may hold a password."""
_FORMS = {
    "ae_title": "must be 1 to 16 printable ASCII characters without a backslash",
    "stow_ae_title": "must be 1 to 16 printable ASCII characters without a backslash",
    "patient_system": "must be a URI, as urn:oid:1.2.3 or https://hospital.example/mrn",
    "accession_system": "must be a URI, as urn:oid:1.2.3 or https://hospital.example/accession",
    "token_url": "must be http(s)://HOST[:PORT]/PATH, without user, query or fragment",
    "url": "must be http(s)://HOST[:PORT]/PATH, without user, query or fragment",
    "password": "must be what `gateway hash-password` prints",
    "processes": "must be auto or 1 to 64",
    "device": "must be auto, cpu, cuda or cuda:NUMBER",
}
WORDING = Wording(Settings, "setting", _FORMS, SECRETS)


def problem_across(line: str) -> Problem:
    """Return a problem between sections from a line `key: sentence`."""
    name, _, text = line.partition(": ")
    return Problem(tuple(int(each) if each.isdecimal() else each for each in name.split(".")), text)
