"""A folder as a text: which of its files are read, and which are passed over."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Final

from chargen.errors import CorpusError
from chargen.text.decode import unreadable
from chargen.wording import counted

SUFFIXES: Final = (".txt", ".text", ".md")
"""How the names of text files end; ``.gz`` may follow."""
KINDS: Final = 4
"""Kinds of files passed over that a note names."""


def texts_in(folder: Path, glob: str | None) -> tuple[list[Path], str]:
    """The folder's files that match, at any depth, in order; hidden ones and those in hidden folders are left out.

    Args:
        folder: The folder.
        glob: A pattern to match; without one, the names that end as those of text files.

    Returns:
        The files, and a note on what was read and what was passed over.

    Raises:
        CorpusError: the folder cannot be read or holds no such file, or the pattern is none.
    """
    if glob == "":
        raise CorpusError(
            "glob '' is no pattern for the files of a folder; leave it out, or choose one as in '**/*.py'"
        )
    files = _files(folder, "*")
    chosen = _files(folder, glob) if glob else [path for path in files if _is_text(path)]
    passed_over = set(files) - set(chosen)
    if not chosen:
        kinds = f", which has {_kinds(passed_over)}" if passed_over else ", which has no files"
        raise CorpusError(
            f"no text files ({glob or '*.txt, *.text, *.md'}) in the folder {folder}{kinds}; chargen train has --glob "
            "to choose others"
        )
    read = "1 file" if len(chosen) == 1 else f"all {len(chosen):,} files"
    if passed_over:
        read = f"{len(chosen):,} of {len(files):,} files; {_kinds(passed_over)} skipped; --glob chooses"
    return sorted(chosen), f"{folder}: read {read}"


def _files(folder: Path, pattern: str) -> list[Path]:
    try:
        paths = [path for path in folder.rglob(pattern) if path.is_file()]
    except (ValueError, NotImplementedError) as error:
        raise CorpusError(f"glob {pattern!r} is no pattern for the files of a folder: {error}") from error
    except OSError as error:
        raise unreadable(str(folder), error) from error
    except RecursionError as error:
        raise CorpusError(f"the folders in {folder} lie too deep in each other; name some of its files") from error
    return [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _is_text(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def _kinds(paths: Collection[Path]) -> str:
    """How many files of which endings: ``3 .pdf, 1 .docx``."""
    endings = Counter(path.suffix.lower() or "without an ending" for path in paths)
    counts = sorted(endings.items(), key=lambda entry: (-entry[1], entry[0]))
    kinds = [f"{count:,} {kind}" for kind, count in counts[:KINDS]]
    others = sum(count for _, count in counts[KINDS:])
    return ", ".join([*kinds, *([counted(others, "other")] if others else [])])
