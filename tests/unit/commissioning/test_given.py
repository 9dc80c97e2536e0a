"""Images come from a folder, a list of UIDs that the gateway keeps, or the readers' feedback."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commissioning.given import DELETED, Given, given_images
from gateway.errors import GatewayError, Missing
from gateway.store.entries import Agreement
from gateway.store.ledger import Ledger
from gateway.store.rejections import Rejection, keep_rejections
from gateway.web.site import Site
from tests.support.site import add_answer, add_image, judged, site_in
from tests.support.sources import dx


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_in(tmp_path)


def fetched(_: Ledger, path: Path) -> None:
    """Find the file where it lies, or miss it."""
    if not path.exists():
        raise Missing(str(path))


def no_ledger() -> Ledger:
    raise AssertionError("a folder needs no ledger")


def test_a_folder_is_searched_whole(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    (folder / "a" / "b").mkdir(parents=True)
    for name in ("2.png", "a/b/1.dcm"):
        (folder / name).write_bytes(b"")
    found = given_images(str(folder), no_ledger, fetched)
    assert [each.path.name for each in found] == ["2.png", "1.dcm"]


def test_a_list_names_images_that_the_gateway_keeps(site: Site, tmp_path: Path) -> None:
    uids = [str(add_image(site, number, dx()).sop_instance_uid) for number in (1, 2)]
    names = tmp_path / "normal.txt"
    names.write_text("\n".join([*uids, "", uids[0]]))
    found = given_images(str(names), lambda: site.ledger, fetched)
    assert [each.name for each in found] == uids
    assert all(each.path.exists() for each in found)


def test_an_image_that_is_not_kept_is_named(site: Site, tmp_path: Path) -> None:
    uid = str(add_image(site, 1, dx()).sop_instance_uid)
    names = tmp_path / "normal.txt"
    names.write_text("1.2.3\n1.2.4")
    with pytest.raises(GatewayError) as refused:
        given_images(str(names), lambda: site.ledger, fetched)
    told = "no image with this SOP Instance UID was received"
    assert str(refused.value).splitlines() == [f"1.2.3: {told}", f"1.2.4: {told}"]
    names.write_text(uid)
    given_images(str(names), lambda: site.ledger, fetched)[0].path.unlink()
    with pytest.raises(GatewayError, match="its file was deleted"):
        given_images(str(names), lambda: site.ledger, fetched)


def test_feedback_gives_the_images_on_which_all_clear_readers_agree(site: Site) -> None:
    # every answer is Pneumonia: who disagrees sees a normal chest
    verdicts = {
        1: [Agreement.DISAGREE],
        2: [Agreement.AGREE],
        3: [Agreement.DISAGREE, Agreement.AGREE],
        4: [Agreement.UNSURE, Agreement.DISAGREE],
        5: [Agreement.UNSURE],
    }
    uids = {}
    for number, given in verdicts.items():
        uids[number] = uid = str(add_answer(site, number).sop_instance_uid)
        for reader, verdict in enumerate(given):
            site.feedback.record(uid, f"reader {reader}", verdict, "", judged(site, uid))
    normal = given_images("feedback", lambda: site.ledger, fetched)
    assert {each.name for each in normal} == {uids[1], uids[4]}
    assert [each.name for each in given_images("feedback", lambda: site.ledger, fetched, sick=True)] == [
        uids[2]
    ]


def test_of_feedback_the_images_that_are_gone_are_left_out(site: Site) -> None:
    uids = [str(add_answer(site, number).sop_instance_uid) for number in (1, 2)]
    for uid in uids:
        site.feedback.record(uid, "reader", Agreement.DISAGREE, "", judged(site, uid))
    gone, kept = given_images("feedback", lambda: site.ledger, fetched)
    gone.path.unlink()
    assert given_images("feedback", lambda: site.ledger, fetched) == [
        Given(gone.name, gone.path, DELETED),
        kept,
    ]


def test_an_image_that_a_note_has_rejected_is_unfit(site: Site, tmp_path: Path) -> None:
    uids = [str(add_image(site, number, dx()).sop_instance_uid) for number in (1, 2)]
    note = Rejection("113001", "Rejected for Quality Reasons", "1.2.3", (uids[0],))
    with site.ledger.transaction() as connection:
        keep_rejections(connection, [note])
    names = tmp_path / "normal.txt"
    names.write_text("\n".join(uids))
    found = given_images(str(names), lambda: site.ledger, fetched)
    why = "a rejection note says: Rejected for Quality Reasons (113001, DCM)"
    assert [each.unfit for each in found] == [why, ""]


def test_a_source_without_an_image_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(GatewayError, match="empty: no files there"):
        given_images(str(tmp_path / "empty"), no_ledger, fetched)
    with pytest.raises(GatewayError, match="in no image do all readers with a clear opinion see the finding"):
        given_images("feedback", lambda: site.ledger, fetched, sick=True)


def test_a_source_that_is_none_is_refused(tmp_path: Path) -> None:
    for source in (tmp_path / "none", tmp_path / "none.txt"):
        with pytest.raises(GatewayError, match="give a folder of images"):
            given_images(str(source), no_ledger, fetched)


def test_a_list_that_is_no_text_and_no_source_are_one_line_each(tmp_path: Path) -> None:
    names = tmp_path / "normal.txt"
    names.write_text("\ufeff\r\n \r\n", encoding="utf-8")
    with pytest.raises(GatewayError, match=r"normal\.txt: empty; write one SOP Instance UID a line"):
        given_images(str(names), no_ledger, fetched)
    names.write_text("1.2.3", encoding="utf-16")
    with pytest.raises(GatewayError, match=r"normal\.txt: no UTF-8 text; save it as UTF-8"):
        given_images(str(names), no_ledger, fetched)
    with pytest.raises(
        GatewayError, match=r"give a folder of images"
    ):  # not the folder that happens to be here
        given_images("", no_ledger, fetched)


def test_a_list_of_another_editor_has_no_mark_in_its_first_uid(site: Site, tmp_path: Path) -> None:
    uid = str(add_image(site, 1, dx()).sop_instance_uid)
    names = tmp_path / "normal.txt"
    names.write_text(f"{uid}\r\n", encoding="utf-8-sig")
    assert [each.name for each in given_images(str(names), lambda: site.ledger, fetched)] == [uid]
