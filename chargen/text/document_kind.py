"""What a file is by its first bytes, where that is a document and no plain text: PDF, Word, HTML and others."""

import re
from typing import Final

from chargen.errors import CorpusError

HEAD: Final = 4096
"""Bytes that tell."""

_BY_COPYING: Final = "save its text from the program that opens it, as plain text (.txt), and name that"
_ZIPPED: Final = (
    (
        b"mimetypeapplication/epub+zip",
        "an EPUB book",
        "convert it to plain text, with Calibre or pandoc, and name that",
    ),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file", _BY_COPYING),
    (b"word/", "a Word document", _BY_COPYING),
    (b"[Content_Types].xml", "an Office document", _BY_COPYING),
    (b"", "a zip archive", "unpack it, and name the files or the folder"),
)
_BINARY: Final = (
    (b"%PDF-", "a PDF", "take out its text, with pdftotext or by copying it from a viewer, and name that file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Word or Office document", _BY_COPYING),
    (b"{\\rtf", "a document in rich text (RTF)", _BY_COPYING),
)
_HTML: Final = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.I | re.S)


def refuse_document(head: bytes, label: str) -> None:
    """Raise a CorpusError that says what a file is and what to do, where it is a document whose text is wrapped up.

    Args:
        head: Its first ``HEAD`` bytes, unpacked from gzip.
        label: What messages call it.
    """
    if head.startswith(b"PK\x03\x04"):
        kind, advice = next((kind, advice) for mark, kind, advice in _ZIPPED if mark in head)
    else:
        kind, advice = next(((kind, advice) for mark, kind, advice in _BINARY if head.startswith(mark)), ("", ""))
    if kind:
        raise CorpusError(f"{label} is {kind}, not plain text; {advice}")


def is_html(head: bytes) -> bool:
    """Whether a file that begins so is a web page."""
    return _HTML.match(head.removeprefix(b"\xef\xbb\xbf")) is not None
