"""The characters of some texts, piece by piece, as often as they are wanted."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from chargen.errors import CorpusError
from chargen.text.decode import decoded, unreadable
from chargen.text.items import Division
from chargen.text.sources import Source

Progress = Callable[[int, int], None]
"""Takes the bytes read so far and those to read in all; each file is read twice."""


class TextStream:
    """Some texts, each of some files, read from their beginning at each pass, with the progress over two passes.

    Args:
        name: Of the texts together.
        texts: The files of each.
        progress: Called after each piece, None for nobody.
        division: How the files are divided into the items of a list, None for no list.

    Attributes:
        count: Number of texts.
    """

    def __init__(
        self,
        name: str,
        texts: Sequence[Sequence[Source]],
        progress: Progress | None,
        division: Division | None = None,
    ) -> None:
        self.name = name
        self.division = division
        self.count = len(texts)
        self._files = [(number, file) for number, files in enumerate(texts) for file in files]
        self.progress = progress
        self._done = 0

    def signature(self) -> list[object] | None:
        """What differs once a file was changed or read in another way; None with a pipe among them."""
        signatures = [(number, file.signature()) for number, file in self._files]
        if any(signature is None for _, signature in signatures):
            return None
        return [*signatures, *([] if self.division is None else [dataclasses.astuple(self.division)])]

    def chunks(self) -> Iterator[tuple[int, bytes, NDArray[np.unsignedinteger]]]:
        """Pieces of the texts: the text's number, and the piece in UTF-8 and as code points, shape (characters,)."""
        total = 2 * sum(_size(file) for _, file in self._files)
        before, data = 0, b"\n"
        for number, file in self._files:
            with file.open() as stream:
                at = 0
                pieces = decoded(stream, file.label, file.decoding)
                for text in pieces if self.division is None else self.division.stream(pieces, file.label):
                    if at == 0 and self.division is None and not data.endswith(b"\n"):
                        yield before, *_code_points("\n", file.label)
                    data, codes = _code_points(text, file.label)
                    before = number
                    yield number, data, codes
                    self._done, at = self._done + stream.tell() - at, stream.tell()
                    if self.progress is not None:
                        self.progress(self._done, total)


def _code_points(text: str, label: str) -> tuple[bytes, NDArray[np.unsignedinteger]]:
    """The text in UTF-8, and its code points."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(f"{label} holds a lone surrogate, which is no character") from error
    if len(data) == len(text):
        return data, np.frombuffer(data, np.uint8)
    return data, np.frombuffer(text.encode("utf-32-le"), "<u4")


def _size(source: Source) -> int:
    with source.open() as stream:
        try:
            return stream.seek(0, os.SEEK_END)
        except OSError as error:
            raise unreadable(source.label, error) from error
