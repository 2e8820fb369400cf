import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.text import decode_text, is_encoding

WORD = "Größe €"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"Gr\xc3\xb6\xc3\x9fe \xe2\x82\xac", "utf-8"),
        (b"\xef\xbb\xbfGr\xc3\xb6\xc3\x9fe \xe2\x82\xac", "utf-8"),
        (b"\xff\xfeG\0r\0\xf6\0\xdf\0e\0 \0\xac\x20", "utf-16-le"),
        (b"\xfe\xff\0G\0r\0\xf6\0\xdf\0e\0 \x20\xac", "utf-16-be"),
        (b"G\0r\0\xf6\0\xdf\0e\0 \0\xac\x20", "utf-16-le"),
        (b"\0G\0r\0\xf6\0\xdf\0e\0 \x20\xac", "utf-16-be"),
        (b"Gr\xf6\xdfe \x80", "cp1252"),
    ],
)
def test_the_same_word_in_every_encoding(content: bytes, encoding: str) -> None:
    """Bytes by the encodings' own tables; three characters of five letters beyond ASCII are too many for a guess."""
    if encoding == "cp1252":
        content = b"The size is called " + content
    decoded = decode_text(content)
    assert decoded.text.removeprefix("The size is called ") == WORD
    assert (decoded.encoding, decoded.num_nuls) == (encoding, 0)


def test_a_mark_counts_before_what_is_declared_and_that_before_a_guess() -> None:
    assert decode_text(b"\xef\xbb\xbf\xc3\xb6", "cp1251").text == "ö"
    assert decode_text("письмо".encode("cp1251"), "cp1251").text == "письмо"


def test_text_of_another_alphabet_is_refused_and_not_garbled() -> None:
    with pytest.raises(ValueError, match=r"not text in UTF-8 \(byte 0 is 0xcf\), UTF-16 or Windows-1252; say which"):
        decode_text("Письмо о деле".encode("cp1251"))
    with pytest.raises(ValueError, match="not text in UTF-8"):
        decode_text(b"abc \x81\x8d")  # in no Windows-1252
    with pytest.raises(ValueError, match=r"not text in utf-8: .*; say which encoding"):
        decode_text(b"abc \xff", "utf-8")


def test_nuls_are_left_out_and_counted_and_what_is_binary_is_refused() -> None:
    decoded = decode_text(b"one\0\0two three four\r\nfive\rsix")
    assert (decoded.text, decoded.num_nuls) == ("onetwo three four\nfive\nsix", 2)
    with pytest.raises(ValueError, match="not text but binary: it begins with b'"):
        decode_text(b"\x01\x02\x03\x04abc")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_whatever_was_text_comes_back(text: str) -> None:
    assert decode_text(text.encode("utf-8-sig")).text == text
    assert decode_text(b"\xff\xfe" + text.encode("utf-16-le")).text == text


def test_names_of_encodings() -> None:
    assert is_encoding("shift_jis") and not is_encoding("klingon") and not is_encoding("rot13")
