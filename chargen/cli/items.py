"""``chargen sample`` with a model of a list: items, each on a line of its own."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from chargen.cli import options
from chargen.cli.options import option, within
from chargen.cli.output.terminal import DIVIDER, Writer, print_json
from chargen.config import ITEMS, SamplerConfig
from chargen.errors import MismatchError
from chargen.wording import counted

if TYPE_CHECKING:
    from chargen.inference.item_sampling import Item
    from chargen.model import Model
    from chargen.text.prompt import Fitted

_PANEL: Final = "Items, of a model of a list"
Count = Annotated[
    int | None,
    option(_PANEL, "How many items to write.", "--items", show_default=str(ITEMS), callback=within(1)),
]
New = Annotated[bool, option(_PANEL, "Write only items that the model was not trained on.", "--new")]
MaxLength = Annotated[
    int | None,
    option(
        _PANEL,
        "Characters of an item, at most; what would be longer is drawn again.",
        callback=within(1),
        show_default="those of the longest it was trained on",
    ),
]
_FOR_LISTS: Final = ("items", "new", "max_length")
_FOR_TEXTS: Final = {
    "length": "an item ends by itself, and --max-length bounds it; --items says how many to write",
    "num_samples": "--items says how many items to write",
    "stop": "an item ends by itself",
    "until_sentence": "an item ends by itself",
    "state": "each item begins anew",
    "save_state": "each item begins anew",
    "beams": "items are drawn by chance; -t 0 draws the likeliest",
    "no_echo": "an item is written as a whole",
    "interactive": "-p says what each item begins with",
}
"""The parameters of ``sample`` that mean nothing to a model of a list, and what there is instead."""


def refuse_options(model: "Model", invocation: typer.Context) -> None:
    """Refuse options that are for a model of a list where the model is none, or the other way round.

    Raises:
        MismatchError: one is given.
    """
    of_list = model.checkpoint.corpus.items is not None
    for name in _FOR_TEXTS if of_list else _FOR_LISTS:
        if not options.is_given(invocation, name):
            continue
        typed = f"--{name.replace('_', '-')}"
        if of_list:
            raise MismatchError(f"{typed} means nothing to a model of a list: {_FOR_TEXTS[name]}")
        raise MismatchError(
            f"{typed} needs a model of a list, and {model.path} was trained on one long text; "
            "chargen train FILE --lines makes one"
        )


def write(
    model: "Model",
    prompts: "Sequence[Fitted]",
    sampler: SamplerConfig,
    *,
    count: int | None,
    seed: int,
    new: bool,
    raw: bool,
    as_json: bool,
    quiet: bool,
    **more: Any,
) -> None:
    """Write so many items behind each prompt, as they are found, and tell how many of them are new.

    Raises:
        TextError: fewer were found than asked for; those are written.
    """
    number, end = ITEMS if count is None else count, str(model.vocab.end)
    prompts = [dataclasses.replace(prompt, text=prompt.text.removesuffix(end)) for prompt in prompts]  # of a file
    settings: dict[str, Any] = {"new": new, "seed": seed, **more}
    drawn = [model.items(number, prompt=prompt, sampler=sampler, **settings) for prompt in prompts]
    items = itertools.chain.from_iterable(drawn)
    written: list[Item] = []
    try:
        for item in items if as_json else _shown(items, raw=raw, divider="" if end == "\n" else DIVIDER):
            written.append(item)  # noqa: PERF402  # what was found stays when no more is
    finally:
        if as_json:
            settings |= dataclasses.asdict(sampler)
            settings |= {"items": number, "checkpoint": str(model.path)}
            settings["prompts"] = [prompt.text for prompt in prompts]
            notes = [str(note) for prompt in prompts for note in prompt.notes]
            print_json({"settings": settings, "items": list(map(dataclasses.asdict, written)), "notes": notes})
        elif written and not (new or quiet):
            hint = "; --items writes more" if count is None else ""
            of_all = f"of {len(written):,}"
            told = counted(sum(item.new for item in written), f"{of_all} is new", f"{of_all} are new")
            options.note(told + hint)


def _shown(items: "Iterable[Item]", *, raw: bool, divider: str) -> "Iterator[Item]":
    """The items, each once it is written."""
    write = Writer(raw=raw)
    for place, item in enumerate(items):
        write((divider if place else "") + item.text + "\n")
        yield item
    write.end()
