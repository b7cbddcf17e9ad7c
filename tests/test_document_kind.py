"""What is no plain text is named as what it is."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from samples import load_corpus

from chargen.errors import CorpusError
from chargen.text.decode import read_text
from chargen.text.document_kind import is_html


def zipped(*names: str, first: bytes = b"") -> bytes:
    """A zip archive with files of these names; ``first`` is the type that an EPUB or OpenDocument file begins with."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        if first:
            archive.writestr("mimetype", first)
        for name in names:
            archive.writestr(name, "<xml/>" * 20)
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "is a PDF, not plain text; take out its text, with pdftotext or"),
        (zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml"), "is a Word document, not plain text; save"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "is an Office document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an old Word or Office document"),
        (zipped("text.opf", first=b"application/epub+zip"), "is an EPUB book, not plain text; convert it"),
        (zipped("content.xml", first=b"application/vnd.oasis.opendocument.text"), "is an OpenDocument file"),
        (zipped("poem.txt"), "is a zip archive, not plain text; unpack it"),
        (rb"{\rtf1\ansi\deff0 Dear reader}", r"is a document in rich text \(RTF\), not plain text; save its text"),
    ],
)
def test_a_document_is_named_as_what_it_is(content: bytes, words: str, tmp_path: Path) -> None:
    """Whatever its name, gzipped too, and with what to do; in a training as in all else that reads a text."""
    (tmp_path / "text.txt").write_bytes(content)
    (tmp_path / "packed.txt").write_bytes(gzip.compress(content))
    for name in ("text.txt", "packed.txt"):
        with pytest.raises(CorpusError, match=rf"{name} {words}"):
            read_text(tmp_path / name)
        with pytest.raises(CorpusError, match=rf"{name} {words}"):
            load_corpus([tmp_path / name])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<!DOCTYPE html>\n<html lang='en'>", True),
        (b"\xef\xbb\xbf\r\n<HTML>", True),
        (b'<?xml version="1.0"?>\n<!-- saved -->\n<html xmlns="x">', True),
        (b"He wrote <html> on the board.", False),
        (b"<htmlish>", False),
        (b"", False),
    ],
)
def test_a_web_page_is_known_by_its_beginning(content: bytes, expected: bool) -> None:
    """By its declaration or its first tag, in any case and after a byte order mark or a comment."""
    assert is_html(content) is expected


def test_a_web_page_is_read_with_a_note(tmp_path: Path) -> None:
    """That its tags are learnt; of several, the first is named and the others are counted."""
    page = "<!doctype html>\n<p>Some text of a page</p>"
    for name in ("a.html", "b.html"):
        (tmp_path / name).write_text(page)
    (tmp_path / "packed").write_bytes(gzip.compress(page.encode()))
    path = tmp_path / "a.html"
    loaded = load_corpus([path])
    assert len(loaded) == len(page)
    [note] = loaded.notes
    assert note.startswith(f"{path} is a web page (HTML): the tags will be learnt as well; to leave them out")
    assert "is a web page" in load_corpus([tmp_path / "packed"]).notes[0]
    read, pages = load_corpus([tmp_path], glob="*.html").notes
    assert read == f"{tmp_path}: read 2 of 3 files; 1 without an ending skipped; --glob chooses"
    assert pages.startswith(f"{path} and 1 more are web pages (HTML)")
