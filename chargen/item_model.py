"""What a model trained on a list of items, such as names, does: it draws new ones, and reads others one by one."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from chargen.argument_types import checks_types
from chargen.arguments import ItemsArguments, Settings, takes
from chargen.config import SamplerConfig
from chargen.errors import MismatchError
from chargen.inference.generate import random_seed
from chargen.inference.item_sampling import Item, draw_items
from chargen.inference.numpy_network import Network
from chargen.store.checkpoint import Checkpoint
from chargen.text import prompt as prompts
from chargen.text.prompt import Fitted


class ItemModel:
    """The part of ``chargen.model.Model``, which has its attributes, that knows items."""

    def __init__(self, checkpoint: Checkpoint, path: Path) -> None:
        self.checkpoint = checkpoint
        self.path = path
        self.vocab = checkpoint.vocab
        self.network = Network(checkpoint.model, checkpoint.weights, end=self.vocab.end_id)

    @takes(ItemsArguments)
    def items(self, arguments: ItemsArguments, settings: Settings) -> Iterator[Item]:
        """Distinct items from a model of a list, as they are found, each with its ``text`` and whether it is ``new``.

        Keywords:
            count: How many.
            new: Only such as the model was not trained on.
            prompt: What each begins with, read as in ``sample``.
            max_length: Characters of an item, at most; without it as many as the longest has that the model was
                trained on. What would be longer is drawn again.
            seed: The same gives the same items, however many are asked for; None for a random one.
            strict: Refuse a prompt with unknown characters.
            sampler: All settings of ``SamplerConfig`` at once.
            temperature: This and every other setting of ``SamplerConfig`` change single ones.

        Raises:
            MismatchError: the model was not trained on a list.
            ConfigError: a setting is unknown or out of its range.
            TextError: the prompt cannot be used; or, after those that were found, no more are found.
        """
        info, seen = self.checkpoint.corpus.items, self.checkpoint.seen
        if info is None or seen is None:
            raise MismatchError(
                f"{self.path} was trained on one long text and knows no items; train on a list with: "
                "chargen train FILE --lines"
            )
        prompt, longest, seed = arguments.prompt, arguments.max_length, arguments.seed
        begun = prompt if isinstance(prompt, Fitted) else prompts.fit(prompt, self.vocab, strict=arguments.strict)
        return draw_items(
            self.network,
            self.vocab,
            arguments.count,
            seen=lambda items: info.division.seen([item.strip() for item in items], seen),  # as those of the list were
            new=arguments.new,
            prompt=begun.text,
            seed=random_seed() if seed is None else seed,
            max_length=max(info.longest, len(begun.text) + 1) if longest is None else longest,
            sampler=dataclasses.replace(arguments.sampler or SamplerConfig(), **settings),
        )

    @checks_types
    def as_read(self, text: str) -> str:
        """``text`` as the model reads it: a list's items, divided as the training's were, with an end mark behind each.

        What has such end marks already, as ``held_out`` gives it, stays as it is; so does any text where the model was
        not trained on a list.
        """
        info = self.checkpoint.corpus.items
        if info is None or (info.end != "\n" and info.end in text):
            return text
        return "".join(item + info.end for item in info.division.split(text))
