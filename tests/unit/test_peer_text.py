"""Text from peers."""

import pytest

from gateway.peer_text import MAX_CHARACTERS, clean


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("out of disk", "out of disk"),
        ("Größe 寸", "Größe 寸"),
        ("a\0b", "a\\x00b"),
        ("line\nforged \x1b[31mred", "line\\nforged \\x1b[31mred"),
        ("\u2028\u202e", "\\u2028\\u202e"),
        ("\udcff", "\\udcff"),
        (None, "None"),
    ],
)
def test_text_is_printable_and_on_one_line(text: object, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_text_is_bounded() -> None:
    assert len(clean("\0" * 10_000)) == MAX_CHARACTERS
    assert clean("x" * MAX_CHARACTERS) == "x" * MAX_CHARACTERS
    assert clean("x" * (MAX_CHARACTERS + 1)).endswith("…")
