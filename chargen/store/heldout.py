"""The text of a split that a checkpoint's training held out, found again and checked."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from chargen.config import HELDOUT_CONTEXT
from chargen.errors import CheckpointError, ConfigError, CorpusError
from chargen.store.checkpoint import Checkpoint, load
from chargen.store.runs import LAST
from chargen.text.corpus import Corpus, Texts
from chargen.text.decode import LONGEST
from chargen.text.sources import can_be_read_again

SPLITS: Final = ("val", "test")


class HeldOut(NamedTuple):
    """A split's text, what to call it, the text right before it, and the text before that."""

    name: str
    text: str
    before: str
    earlier: str

    def __repr__(self) -> str:
        return f"<HeldOut {self.name}: {len(self.text):,} characters, after {len(self.earlier + self.before):,}>"


def held_out(
    checkpoint: Checkpoint,
    path: Path,
    split: str,
    *,
    sources: Sequence[str | Path] = (),
    encoding: str | None = None,
    errors: str | None = None,
    context: int = HELDOUT_CONTEXT,
    reach: int = 0,
) -> HeldOut:
    """The text of a split.

    Args:
        checkpoint: The model.
        path: Its file; the run's ``last`` checkpoint beside it knows where the text came from.
        split: One of ``SPLITS``.
        sources: Where the text is now; without any it is looked for where it was, or among the built-in ones.
        encoding: Of the text; None for what the run says it was, or UTF-8.
        errors: As in ``Decoding``; None for what the run says.
        context: Characters right before the split, at most.
        reach: How far before the split the earlier text begins; none unless that is more than ``context``.

    Raises:
        ConfigError: there is no such split, or ``context`` is negative.
        CorpusError: the training held no such split out, or the text is not found, or not the one trained on.
    """
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
    if context < 0:
        raise ConfigError(f"context must be a whole number of at least 0, not {context}")
    info = checkpoint.corpus
    start, stop = info.val if split == "val" else info.test
    if start == stop:
        raise CorpusError(f"{path} has no {split} split: it was trained with {split}-fraction 0")
    corpus = _load(checkpoint, path, sources, encoding=encoding, errors=errors)
    if corpus.sha256 != info.sha256:
        raise CorpusError(
            f"{corpus.name} ({len(corpus):,} characters) is not the text that {path} was trained on "
            f"({info.name}, {info.characters:,} characters); name that text"
        )
    first = max(0, start - max(reach, context))
    if stop - first > LONGEST:
        raise CorpusError(
            f"{info.name}'s {split} split has {stop - first:,} characters with those before it, more than the "
            f"{LONGEST:,} that are read at once; score a part of it as a file"
        )
    border = max(0, start - context)
    split_again = corpus.split(checkpoint.train, lengths=info.lengths or (len(corpus),), known=checkpoint.vocab)
    text = corpus.vocab.text_of(split_again.ids[first:stop])
    before, text = text[: start - first], text[start - first :]
    return HeldOut(f"{info.name} {split}", text, before[border - first :], before[: border - first])


def unseen(checkpoint: Checkpoint, path: Path) -> tuple[str, str]:
    """A text that the model did not learn from, after its name.

    What its training held out; where that is nothing, or is not at hand, a built-in corpus.
    """
    splits = []
    for split in SPLITS:
        with contextlib.suppress(CorpusError):
            splits.append(held_out(checkpoint, path, split, context=0))
    if splits:
        return " and ".join(split.name for split in splits), "".join(split.text for split in splits)
    default = Texts().load()
    return default.name, default.vocab.text_of(default.ids[:])


def _load(checkpoint: Checkpoint, path: Path, sources: Sequence[str | Path], **decoding: str | None) -> Corpus:
    given: dict[str, Any] = {name: value for name, value in decoding.items() if value is not None}
    items = checkpoint.corpus.items
    texts = _origin(checkpoint, path).divided(items.division if items else None)
    texts = dataclasses.replace(texts, min_count=1, **given)  # every character as it is
    if sources:
        return dataclasses.replace(texts, sources=tuple(map(str, sources))).load()
    problem = f"the text that {path} was trained on, {checkpoint.corpus.name}, is not at hand"
    if not all(map(can_be_read_again, texts.sources)):
        raise CorpusError(f"{problem} (it came through a pipe); name its file")
    try:
        return texts.load()
    except CorpusError as error:
        raise CorpusError(f"{problem} ({error}); name its file") from error


def _origin(checkpoint: Checkpoint, path: Path) -> Texts:
    """Where the training read its text."""
    if checkpoint.resume:
        return checkpoint.resume.origin
    with contextlib.suppress(CheckpointError):
        last = load(path.with_name(LAST))
        if last.corpus.sha256 == checkpoint.corpus.sha256 and last.resume:
            return last.resume.origin
    return Texts(sources=(checkpoint.corpus.name,))
