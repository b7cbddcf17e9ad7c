"""What is read of a folder, and what is told of the rest."""

from pathlib import Path

import pytest

from chargen.errors import CorpusError
from chargen.text.folder import texts_in


@pytest.mark.parametrize(
    ("files", "glob", "note"),
    [
        (["a.txt", "b.md", "c.pdf"], None, "read 2 of 3 files; 1 .pdf skipped; --glob chooses"),
        (["a.txt", "deep/b.TXT.gz"], None, "read all 2 files"),
        (["a.txt", ".hidden.pdf", ".git/config"], None, "read 1 file"),
        (["a.py", "b.py", "c.txt"], "*.py", "read 2 of 3 files; 1 .txt skipped; --glob chooses"),
        (
            ["a.txt", "1.PDF", "2.pdf", "3.doc", "README", "4.odt", "5.rtf", "6.epub"],
            None,
            "read 1 of 8 files; 2 .pdf, 1 .doc, 1 .epub, 1 .odt, 2 others skipped; --glob chooses",
        ),
    ],
)
def test_what_was_passed_over_is_told(files: list[str], glob: str | None, note: str, tmp_path: Path) -> None:
    """How many files were read, and how many of which endings were not; hidden ones do not count."""
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert texts_in(tmp_path, glob)[1] == f"{tmp_path}: {note}"


def test_a_folder_without_text_tells_what_it_has(tmp_path: Path) -> None:
    """So that whoever named it sees why nothing can be read."""
    with pytest.raises(CorpusError, match=r"no text files .*, which has no files; chargen train has --glob"):
        texts_in(tmp_path, None)
    (tmp_path / "a.docx").touch()
    with pytest.raises(CorpusError, match=r"no text files .*, which has 1 \.docx; chargen train has --glob"):
        texts_in(tmp_path, None)
