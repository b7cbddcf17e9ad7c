"""``chargen score``: how well a model predicts a text."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from chargen.atomic import replacing
from chargen.cli import completion, options, text_arguments
from chargen.cli.options import option, within
from chargen.cli.output import surprisal, tables
from chargen.cli.output.terminal import print_json
from chargen.config import HELDOUT_CONTEXT, AdaptConfig
from chargen.errors import CorpusError, TextError
from chargen.text.decode import Decoding
from chargen.threads import use_threads
from chargen.web.heatmap import Passage, heat_map
from chargen.wording import counted

if TYPE_CHECKING:
    from chargen.inference.score import Scored
    from chargen.model import Model

REMEMBERED = 1_000_000
"""Characters before a split that a memory reads, at most."""


class _Text(NamedTuple):
    """What to score, what to call it, what to read before it, and what a memory has read before that."""

    name: str
    text: str
    before: str = ""
    earlier: str = ""


@options.settings(Decoding, AdaptConfig)
def score(
    checkpoint: options.CheckpointPath = None,
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT...",
            help="Files or built-in corpora; - is stdin, which is also read where none is named. With --split: the "
            "text that the checkpoint was trained on, if it has moved.",
        ),
    ] = None,
    *,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="val|test",
            help="Score this split of the text it was trained on.",
            callback=within(choices=("val", "test")),
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            help="Characters before the split that are read first, unscored; with --adapt, learnt from as well.",
            callback=within(),
            show_default=str(HELDOUT_CONTEXT),
        ),
    ] = None,
    per_char: Annotated[
        bool, typer.Option("--per-char", help="Show the bits of each character: by colour, or by digits without.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="With --per-char: show them on a page for the browser."),
    ] = None,
    adapt: Annotated[
        bool,
        option(
            "Adaptation",
            "Let the weights go on learning from the text just read, each character scored before it is learnt "
            "from (dynamic evaluation). Each file starts from the checkpoint's weights.",
            "--adapt",
        ),
    ] = False,
    remember: Annotated[
        bool,
        option(
            "Adaptation",
            "Predict together with a memory of the text read so far, word for word. Before a split it reads the "
            f"text that comes before, up to {REMEMBERED:,} characters.",
            "--remember",
        ),
    ] = False,
    together: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="CHECKPOINT",
            help="Predict together with this model, which has the same characters; repeatable. Several that differ in "
            "their seed alone predict better than the best of them.",
            autocompletion=completion.models,
        ),
    ] = None,
    threads: options.Threads = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **settings: Any,
) -> None:
    """Tell how well a model predicts a text: bits per character and perplexity.

    Every character of Unicode has a probability, and they sum to one: those that the model does not know are counted,
    and charged some 34 bits each, or 20 and those of the unknown id where the model has one.

    A split is scored after the text before it. With --adapt the end of that text is learnt from as well, and with
    --remember more of it is looked up in; a compressor primed with the text before the split has seen it too.
    """
    decoding = options.taken(settings, Decoding)
    if not adapt:
        options.refuse_without("--adapt", settings)
    if context is not None and split is None:
        raise typer.BadParameter("it needs --split", param_hint="--context")
    if html is not None and not per_char:
        raise typer.BadParameter("it needs --per-char", param_hint="--html")
    options.refuse_unwritable("--html", html)
    use_threads(threads, single=adapt)
    from chargen.api import load

    adaptation = AdaptConfig(**settings)
    model, *others = (load(options.checkpoint_file(name, quiet=quiet)) for name in (checkpoint, *(together or ())))
    if split is None:
        texts = _read(model, text or ["-"], decoding, quiet=quiet)
        if adapt:
            read = sum(len(passage.text) for passage in texts)
            options.note(f"learning from {counted(read, 'character')} as they are scored", quiet=quiet)
    else:
        forgets = model.vocab.end is not None and not adapt  # of what stands before an item, its state holds nothing
        first = context if context is not None else 0 if forgets else HELDOUT_CONTEXT
        reach = REMEMBERED if remember else 0
        texts = [_held_out([model, *others], split, sources=text or [], context=first, reach=reach, **decoding)]
        note = counted(len(texts[0].before), "character before it was", "characters before it were")
        note += " read first" + ", and learnt from" * adapt
        if remember:
            note += f", and {len(texts[0].earlier):,} before those remembered"
        options.note(note, quiet=quiet or forgets)

    reading = {"adapt": adapt, "remember": remember, "others": others, **settings}
    passages = [Passage(text.name, text.text, _score(model, text, quiet=quiet, **reading)) for text in texts]
    total = passages[0].scored.joined([passage.scored for passage in passages])
    if split is not None and total.unknown:
        options.note("the training's own figure does not charge which unknown character each of them was", quiet=quiet)
    if html is not None:
        _write_page(html, [model, *others], passages)
    if as_json:
        about = {
            "checkpoint": str(model.path),
            "with": [str(other.path) for other in others],
            "split": split,
            "context": len(texts[0].before),
            "adapt": dataclasses.asdict(adaptation) if adapt else None,
            "remembered": len(texts[0].earlier) if remember else None,
        }
        print_json({**about, **_figures(total), "files": [_as_json(passage, per_char) for passage in passages]})
        return
    if per_char and html is None:
        for passage in passages:
            surprisal.show(passage.text, passage.scored.bits.tolist())
    rows = [_row(passage.name, passage.scored) for passage in passages]
    tables.show(rows + [_row("total", total)] * (len(rows) > 1), right=tuple(rows[0])[1:])


def _read(model: "Model", files: list[str], decoding: Mapping[str, str], *, quiet: bool) -> list[_Text]:
    if "-" in files and sys.stdin and sys.stdin.isatty():
        options.note("reading the text from the terminal; Ctrl-D ends it", quiet=quiet)
    named = text_arguments.gather(files, (), lines=False, **decoding)
    texts = [_Text(name, model.as_read(text)) for name, text in named]
    for passage in texts:
        if not passage.text:
            raise TextError(f"{passage.name} has no item: {model.path} reads a list")
    return texts


def _held_out(models: list["Model"], split: str, **finding: Any) -> _Text:
    model, *others = models
    for other in others:
        ours, theirs = (dataclasses.replace(one.checkpoint.corpus, name="") for one in (model, other))
        if ours != theirs:
            raise CorpusError(f"{other.path} was trained on another text than {model.path}, or on more or less of it")
    return _Text(*model.held_out(split, **finding))


def _score(model: "Model", passage: _Text, *, quiet: bool, **reading: Any) -> "Scored":
    unscored = len(passage.before) * (1 + len(reading["others"]))
    with options.bar(passage.name, unscored + len(passage.text), quiet=quiet, slow=reading["adapt"]) as bar:
        scorer = model.scorer(before=passage.before, earlier=passage.earlier, progress=bar.update, **reading)
        return scorer.feed(passage.text, bar.update)


def _write_page(path: Path, models: list["Model"], passages: list[Passage]) -> None:
    from chargen.store.lookup import name_of

    with replacing(path) as file:
        file.write(heat_map(", ".join(name_of(model.path) for model in models), passages))


def _figures(scored: "Scored") -> dict[str, float]:
    return {
        "bpc": scored.bpc,
        "perplexity": scored.perplexity,
        "characters": scored.characters,
        "unknown": scored.unknown,
    } | ({"items": scored.items, "bits_per_item": scored.bits_per_item} if scored.items else {})


def _as_json(passage: Passage, per_char: bool) -> dict[str, Any]:
    scored = passage.scored
    document: dict[str, Any] = {"file": passage.name, **_figures(scored)}
    if scored.items:
        ends = scored.ends.tolist()
        starts = [0, *(end + 1 for end in ends[:-1])]
        bits = scored.item_bits.round(4).tolist()
        document["item_scores"] = [
            {"text": passage.text[start:end], "bits": cost} for start, end, cost in zip(starts, ends, bits, strict=True)
        ]
    if per_char:
        document |= {"text": passage.text, "bits": scored.bits.round(4).tolist()}
    return document


def _row(name: str, scored: "Scored") -> dict[str, str]:
    columns = {"text": name, "characters": f"{scored.characters:,}", "unknown": f"{scored.unknown:,}"}
    figures = {"bits per character": f"{scored.bpc:.4f}", "perplexity": f"{scored.perplexity:.3f}"}
    if scored.items:
        columns["items"], figures["bits per item"] = f"{scored.items:,}", f"{scored.bits_per_item:.3f}"
    return columns | figures
