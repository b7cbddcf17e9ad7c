"""New items from a model of a list, such as names, drawn side by side.

Each begins from the zero state after an end mark and ends at the next one. The item drawn at place ``i`` has
``seed + i``, and they are kept in the order of their places, so that a seed's first items are the same however many are
asked for.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import SamplerConfig
from chargen.errors import TextError
from chargen.inference.generate import Sample, check, collect, generate
from chargen.inference.numpy_network import Network
from chargen.inference.text_end import TextEnd
from chargen.text.vocab import Vocab
from chargen.wording import counted

FRUITLESS: Final = 1000
"""Items drawn in a row without one to keep, after which no more are drawn."""
LEAST: Final = 8
"""Items drawn side by side, at least: that takes hardly longer than one."""
MOST: Final = 256
"""Items drawn side by side, at most: more gain little, and their states leave the processor's cache."""


@dataclass(frozen=True)
class Item:
    """One new item.

    Attributes:
        text: Its characters, those of the prompt among them, without the end mark.
        new: Whether the model was not trained on it.
        seed: The seed of its random numbers.
    """

    text: str
    new: bool
    seed: int


def draw_items(
    network: Network,
    vocab: Vocab,
    count: int,
    *,
    seen: Callable[[Sequence[str]], NDArray[np.bool_]],
    new: bool = False,
    prompt: str = "",
    seed: int,
    max_length: int,
    sampler: SamplerConfig | None = None,
) -> Iterator[Item]:
    """Distinct items, as they are found; one that is empty or longer than ``max_length`` is drawn again.

    The vocabulary has an end mark, and ``seen`` tells of some items whether the model was trained on each. All else is
    as in ``chargen.item_model.ItemModel.items``.

    Raises:
        ConfigError: a number is out of its range.
        TextError: the prompt holds the end mark, or is too long; or, once all that were found are given, the last
            ``FRUITLESS`` items drawn had none to keep.
        CheckpointError: the model's logits are not finite.
    """
    for name, value, least in (("items", count, 1), ("max-length", max_length, 1), ("seed", seed, 0)):
        check(name, value, least)
    end = str(vocab.end)
    if end in prompt:
        raise TextError(f"the prompt holds {end!r}, which ends an item; give the beginning of one item")
    if len(prompt) > max_length:
        raise TextError(f"the prompt has {len(prompt):,} characters, and an item at most {max_length:,}")

    def distinct() -> Iterator[Item]:
        texts: set[str] = set()
        dropped: Counter[str] = Counter()
        first = seed
        while True:
            pieces = generate(
                network,
                vocab,
                vocab.ids_of(prompt),
                length=max_length - len(prompt) + 1,  # the end mark is one more
                seed=first,
                num_samples=min(MOST, max(LEAST, 2 * (count - len(texts)))),
                sampler=sampler,
                end=TextEnd([end]),
            )
            samples = collect(pieces)
            known = seen([prompt + sample.text for sample in samples]).tolist()
            for at, (sample, old) in enumerate(zip(samples, known, strict=True), first):
                item = Item(prompt + sample.text, not old, at)
                problem = _problem(item, sample, texts, new=new)
                if problem:
                    dropped[problem] += 1
                    if dropped.total() == FRUITLESS:
                        raise TextError(_shortage(count, len(texts), dropped, max_length))
                    continue
                dropped.clear()
                texts.add(item.text)
                yield item
                if len(texts) == count:
                    return
            first += len(samples)

    return distinct()


def _problem(item: Item, sample: Sample, texts: set[str], *, new: bool) -> str:
    """Why an item cannot be kept; empty if it can."""
    if sample.ending.reason != "stop":
        return "too long"
    if not item.text.strip():
        return "empty"
    if item.text in texts:
        return "written before"
    return "in the training list" if new and not item.new else ""


def _shortage(count: int, written: int, dropped: Counter[str], max_length: int) -> str:
    """The error where no more items are found."""
    problems = ", ".join(f"{number:,} {problem}" for problem, number in dropped.most_common())
    advice = f"max-length is {max_length:,}" if dropped["too long"] * 2 > FRUITLESS else "a higher temperature helps"
    found = f"found {written:,} of {counted(count, 'item')}"
    return f"{found}: the last {FRUITLESS:,} drawn were of no use ({problems}); {advice}"
