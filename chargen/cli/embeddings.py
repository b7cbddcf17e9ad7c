"""``chargen embeddings``: characters that a model treats alike."""

from typing import TYPE_CHECKING, Annotated

import typer

from chargen.cli import options
from chargen.cli.output import tables
from chargen.cli.output.terminal import glyph, print_json
from chargen.errors import TextError

if TYPE_CHECKING:
    from chargen.text.vocab import Vocab


def embeddings(
    checkpoint: options.CheckpointPath = None,
    *,
    neighbours: Annotated[
        int,
        typer.Option("--neighbours", "-k", help="How many to show of each character.", callback=options.within(1)),
    ] = 5,
    character: Annotated[
        list[str] | None, typer.Option("--character", "-c", help=r"Show this one alone; repeatable. \n and \t work.")
    ] = None,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show which characters the model has learnt to treat alike: the nearest embeddings of each, by cosine.

    To the --output file go all embeddings, float32 of shape (vocabulary, embedding size), in the order in which
    chargen inspect --json lists the vocabulary; a reserved unknown id comes last.
    """
    options.refuse_unwritable("--output", output)
    from chargen import api
    from chargen.inference import statefile
    from chargen.inference.embeddings import neighbours as nearest

    named = [_single(name) for name in character or ()]
    model = api.load(options.checkpoint_file(checkpoint, quiet=quiet))
    vectors = model.embeddings()
    known = model.vocab.characters
    ids = [_id(name, model.vocab) for name in named] or list(range(len(known)))
    near, cosines = nearest(vectors[: len(known)], ids, neighbours)
    if output is not None:
        statefile.save_vectors(output, vectors)
    neighbourhoods = [
        (known[at], [(known[other], cosine) for other, cosine in zip(others, similarities, strict=True)])
        for at, others, similarities in zip(ids, near.tolist(), cosines.tolist(), strict=True)
    ]
    if as_json:
        rows = [
            {
                "character": centre,
                "neighbours": [{"character": other, "cosine": cosine} for other, cosine in others],
                "vector": vectors[at].tolist(),
            }
            for at, (centre, others) in zip(ids, neighbourhoods, strict=True)
        ]
        print_json({"checkpoint": str(model.path), "shape": vectors.shape, "characters": rows})
    elif output is None:
        tables.show(
            [
                {"character": glyph(centre)}
                | {f"{rank}": f"{glyph(other)} {cosine:.2f}" for rank, (other, cosine) in enumerate(others, 1)}
                for centre, others in neighbourhoods
            ]
        )


def _single(typed: str) -> str:
    """The character that was typed as itself or escaped."""
    character = {r"\n": "\n", r"\t": "\t"}.get(typed, typed)
    if len(character) != 1:
        raise typer.BadParameter(f"give one character, not {typed!r}", param_hint="--character")
    return character


def _id(character: str, vocab: "Vocab") -> int:
    at = vocab.id_of(character)
    if at is None:
        raise TextError(f"character {character!r} is not in the model's vocabulary")
    return at
