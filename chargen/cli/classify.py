"""``chargen classify``: which of several models a text is likeliest from."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from chargen.cli import completion, options, text_arguments
from chargen.cli.output import tables
from chargen.cli.output.terminal import glyph, print_json, printable, visible, wrapped
from chargen.errors import TextError
from chargen.text.decode import Decoding
from chargen.threads import use_threads

if TYPE_CHECKING:
    from chargen.inference.classify import Verdict
    from chargen.model import Model

CONTEXT: Final = 15
"""Characters shown before and after one that decided."""


@options.settings(Decoding)
def classify(
    text: text_arguments.Files = None,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", help="A checkpoint, run's folder or name; twice or more.", autocompletion=completion.models
        ),
    ] = None,
    literal: text_arguments.Literals = None,
    lines: text_arguments.Lines = False,
    prior: Annotated[
        list[float] | None,
        typer.Option(
            help="How probable a model is before a text is seen: one for each --model, in their order; all equal "
            "without."
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(min=0, help="Characters to show that decided; without it 5 for one text and none for several."),
    ] = None,
    threads: options.Threads = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **decoding: Any,
) -> None:
    """Whose text is this? Tell which model a text is likeliest from, by how many bits, and what decided it.

    A character that a model does not know costs any model the same, about 20 bits, and one that it knows never more;
    how much of the margin comes from characters that not both of the likeliest models know is told. Models of lists are
    asked for each item, such as a line; its end is charged too.
    """
    names = model or []
    if len(set(names)) < 2:
        raise typer.BadParameter("give two different models or more to choose from", param_hint="--model")
    use_threads(threads)
    from chargen import api

    models = [api.load(options.checkpoint_file(name, quiet=quiet)) for name in names]
    named = _items(text_arguments.gather(text, literal, lines=lines, **decoding), models)
    verdicts = api.classify([passage.text for passage in named], models, prior=prior)
    if all(model.vocab.end for model in models):
        named = [passage._replace(text=f"{passage.text}{models[0].vocab.end}") for passage in named]
    judged = list(zip(named, verdicts, strict=True))
    if not quiet:
        _tell_strangers([passage.name for passage, verdict in judged if not verdict.fits])
    count = top if top is not None else 5 if len(named) == 1 else 0
    if as_json:
        results = [_as_json(passage, verdict, names, count) for passage, verdict in judged]
        print_json({"models": names, "prior": prior, "texts": results})
    elif len(named) > 1 and not count:
        rows = [_summary(passage, verdict, names) for passage, verdict in judged]
        tables.show(rows, right=("posterior", "margin in bits"))
    else:
        for passage, verdict in judged:
            _show(passage, verdict, names, count)


def _items(named: list[text_arguments.Named], models: "list[Model]") -> list[text_arguments.Named]:
    """The items of the texts where all models are of lists that were divided alike; otherwise the texts.

    Raises:
        TextError: there is no item.
    """
    lists = [model.checkpoint.corpus.items for model in models]
    divisions = {items.division if items else None for items in lists}
    division = divisions.pop() if len(divisions) == 1 else None
    if division is None:
        return named
    items = [item for passage in named for item in division.split(passage.text)]
    if not items:
        raise TextError("there is no item to classify")
    return [text_arguments.Named(text_arguments.beginning(item), item) for item in items]


def _tell_strangers(names: list[str]) -> None:
    """Tell of texts that no model fits, which the likeliest is likeliest for all the same."""
    from chargen.inference.classify import FAR

    if names:
        others = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        options.note(
            f"no model fits {names[0]}{others}: each takes more than {FAR:g} times the bits per character of its own "
            "validation text"
        )


def _summary(named: text_arguments.Named, verdict: "Verdict", names: list[str]) -> dict[str, str]:
    best = verdict.ranking[0]
    return {
        "text": named.name,
        "model": names[best],
        "posterior": f"{verdict.posterior[best]:.4f}",
        "margin in bits": f"{verdict.margin:.1f}",
    }


def _show(named: text_arguments.Named, verdict: "Verdict", names: list[str], count: int) -> None:
    best, second = verdict.ranking[:2]
    line = f"{named.name}: {names[best]}, {verdict.margin:.1f} bits ahead of {names[second]}"
    if verdict.from_vocabulary:
        line += f", {verdict.from_vocabulary:+.1f} of them from characters that not both know"
    typer.echo(wrapped(visible(line), screen=sys.stdout))
    length = len(named.text)
    tables.show(
        [
            {
                "model": names[at],
                "posterior": f"{verdict.posterior[at]:.4g}",
                "bits": f"{verdict.bits[at].sum():.1f}",
                "bits per character": f"{verdict.bits[at].sum() / length:.3f}",
                "unknown characters": verdict.unknown[at],
            }
            for at in verdict.ranking
        ],
        right=("posterior", "bits", "bits per character", "unknown characters"),
    )
    tables.show(
        [
            {
                "at": at,
                "character": glyph(named.text[at]),
                "bits": f"{abs(verdict.lead[at]):.1f}",
                "speaks for": names[best if verdict.lead[at] >= 0 else second],
                "context": _context(named.text, at),
            }
            for at in verdict.decisive(count)
        ],
        right=("at", "bits"),
    )


def _context(text: str, at: int) -> str:
    before, after = text[max(0, at - CONTEXT) : at], text[at + 1 : at + 1 + CONTEXT]
    return f"{printable(before)}[{printable(text[at])}]{printable(after)}"


def _as_json(named: text_arguments.Named, verdict: "Verdict", names: list[str], count: int) -> dict[str, Any]:
    def of_each(values: Any) -> dict[str, Any]:
        return dict(zip(names, values, strict=True))

    totals = verdict.bits.sum(axis=1)
    return {
        "text": named.name,
        "characters": len(named.text),
        "model": names[verdict.ranking[0]],
        "second": names[verdict.ranking[1]],
        "margin_bits": verdict.margin,
        "margin_from_vocabulary": verdict.from_vocabulary,
        "fits": verdict.fits,
        "posterior": of_each(verdict.posterior.tolist()),
        "bits": of_each(totals.tolist()),
        "bpc": of_each((totals / len(named.text)).tolist()),
        "unknown": of_each(verdict.unknown),
        "decided": [
            {
                "at": at,
                "character": named.text[at],
                "lead_bits": float(verdict.lead[at]),
                "context": named.text[max(0, at - CONTEXT) : at + CONTEXT + 1],
            }
            for at in verdict.decisive(count)
        ],
    }
