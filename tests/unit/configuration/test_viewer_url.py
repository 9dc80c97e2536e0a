"""The address of the site's PACS viewer: every problem is told, and a sender's UIDs stay data."""

from pathlib import Path

import pytest

from gateway.configuration.settings_file import check_settings, load_settings
from gateway.errors import ConfigurationError
from gateway.settings.viewer_url import PLACES, viewer_address

PROBLEMS = {
    "https://pacs/{patient_id}": "{patient_id} is unknown",
    "https://pacs/viewer": "names no image",
    "javascript:alert({sop_instance_uid})": "must begin with http",
    "//pacs/{sop_instance_uid}": "must begin with http",
    "https://{sop_instance_uid}.example/": "host of the address must be fixed",
    "https://pacs:{sop_instance_uid}/": "host of the address must be fixed",
    "https://user:secret@pacs/{sop_instance_uid}": "no user name or password",
    "https://pacs/ {sop_instance_uid}": "write it as %XX",
    'https://pacs/">{sop_instance_uid}': "write it as %XX",
    "https://pacs/{{sop_instance_uid}": "write it as %XX",
    "https://pacs:high/{sop_instance_uid}": "port",
}


@pytest.mark.parametrize("address", PROBLEMS)
def test_an_address_that_cannot_work_is_told(tmp_path: Path, address: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(f"web: {{viewer_url: '{address}'}}")
    with pytest.raises(ConfigurationError) as told:
        check_settings(file, lambda _: None)
    assert str(told.value).startswith("web.viewer_url: ")
    assert PROBLEMS[address].lower() in str(told.value).lower()


def test_uids_of_a_sender_cannot_leave_their_place(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("web: {viewer_url: 'https://pacs:8443/v#s={study_instance_uid}&i={sop_instance_uid}'}")
    template = load_settings(file).web.viewer_url
    assert template
    uids = dict.fromkeys(PLACES, "1.2/../x?a=b&c#d{sop_instance_uid}")
    address = viewer_address(template, uids)
    inserted = "1.2%2F..%2Fx%3Fa%3Db%26c%23d%7Bsop_instance_uid%7D"
    assert address == f"https://pacs:8443/v#s={inserted}&i={inserted}"
