"""Settings that suit a text's size and the effort that is to be spent on it.

One law serves every preset and every time budget, and another those of networks that begin from a trained one's weights
(``_fine_tuning``). ``effort`` 1 is the default's: on Alice (133,632 characters to train
on) 16 passes of a 2x384 LSTM. Its numbers were chosen on Alice's and Tiny Shakespeare's validation splits:

- A text ten times as long takes half as long again to train on: it is passed over a sixth as often.
- More effort goes first into more passes, then into a wider network.
- The more effort and the wider the network, the smaller its steps; narrower ones take larger steps.
- Dropout grows with the number of passes, and weight decay shrinks with the text's length: what a network would
  otherwise learn by heart. Between the layers there is none up to the default's passes, where it is worth nothing.
  A network that is asked to be narrower than its effort would have it takes less: 2x64 over Alice, with the default's
  passes, ends at 2.120 bits per character with the dropout of 2x384 and at 1.939 without.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chargen.config import CELLS, ModelConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.setting import refuse_unknown

PRESETS: Final[Mapping[str, float]] = {"quick": 0.34, "default": 1.0, "best": 4.5}
"""The effort of each preset."""

ALICE: Final = 133_632  # characters that the law is anchored at
LARGE_SPLIT: Final = 200_000  # characters; by default a validation or test split has no more
WIDTHS: Final = ((0.33, 192), (0.75, 256), (3.4, 384), (math.inf, 512))
"""Hidden size up to each effort."""
RATES: Final = {192: 0.015, 256: 0.012, 384: 0.012, 512: 0.009}
"""Learning rate of the trainings that choose each of these widths."""
WIDEST: Final = max(RATES)
"""The largest of these, and the hidden size of the networks with which fine-tuning was measured."""
LARGEST_STEPS: Final = 6.0
"""How many times larger a narrow network's steps may be; with twice as large ones a 2x65 LSTM learns less again."""
MOST_DOUBLINGS: Final = 2.0
"""Doublings of the default's passes beyond which dropout does not grow."""
SPENT: Final = 0.9
"""Share of a time budget that goes into steps; starting and evaluating take the rest."""
LITTLE: Final = 15_000
"""Characters below which a network that knows the language needs dropout between its layers as well."""
RESERVE_SECONDS: Final = 4.0
"""What the schedule keeps of a time budget for the start of the program and the final test."""

Speed = Callable[[ModelConfig, TrainConfig], float]
"""Measures how many characters a second such a network trains on here."""

_MODEL: Final = frozenset(field.name for field in dataclasses.fields(ModelConfig)) - {"vocab_size"}
_TRAIN: Final = frozenset(field.name for field in dataclasses.fields(TrainConfig))


def choose(
    characters: int,
    vocab_size: int,
    *,
    preset: str = "default",
    fine_tuning: bool = False,
    familiar: bool = True,
    speed: Speed | None = None,
    **given: Any,
) -> tuple[ModelConfig, TrainConfig]:
    """The settings to train with.

    Args:
        characters: Length of the whole text.
        vocab_size: Distinct ids.
        preset: One of ``PRESETS``.
        fine_tuning: Whether the network begins from another's weights; ``given`` then has its architecture.
        familiar: Whether the other one knows the text's language.
        speed: How to measure the speed here; called only where ``minutes`` are given, which then rule over the preset.
        given: The user's own settings, by their names in ``ModelConfig`` and ``TrainConfig``.

    Raises:
        ConfigError: a preset or a setting is unknown, or a value is out of its range.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    refuse_unknown(given, _MODEL | _TRAIN)
    lengths = [name for name in ("minutes", "steps", "epochs") if given.get(name)]
    if len(lengths) > 1:
        raise ConfigError(f"{' and '.join(lengths)} each set how long to train; give one")

    def configs(effort: float) -> tuple[ModelConfig, TrainConfig]:
        law = (
            _fine_tuning(characters, effort, given, familiar)
            if fine_tuning
            else _from_nothing(characters, effort, given)
        )
        chosen = law | given
        model = {name: value for name, value in chosen.items() if name in _MODEL}
        train = {name: value for name, value in chosen.items() if name in _TRAIN}
        return ModelConfig(vocab_size=vocab_size, **model), TrainConfig(**train)

    # what knows the language gains less from more effort, and loses less with less
    model, train = configs(PRESETS[preset] ** 0.5 if fine_tuning else PRESETS[preset])
    if train.minutes and speed is not None:
        widths = ((math.inf, model.hidden_size),) if "hidden_size" in given else WIDTHS
        passes = _fine_tuning_passes(characters) if fine_tuning else _passes(characters)
        return configs(_affordable(characters * passes, model, train, speed(model, train), widths))
    return model, train


def _from_nothing(characters: int, effort: float, given: Mapping[str, Any]) -> dict[str, Any]:
    splits = _splits(characters, given)
    trained = max(1.0, characters * (1 - sum(splits.values())))
    length = max(1.0, trained / ALICE)  # in Alices, for what grows with the text
    short = min(1.0, trained / ALICE)
    window = {
        "batch_size": max(4, 2 ** round(math.log2(32 * math.sqrt(short)))),
        # both sides of a character need room within a window
        "bptt": 96 if given.get("bidirectional") else TrainConfig.bptt,
    }
    passes = _passes(characters) * effort
    width = next(width for limit, width in WIDTHS if effort <= limit)
    model = _network(given, width)
    asked_passes = _passes_asked({**window, **given}, trained) or passes
    # doublings of the default's passes
    more = min(MOST_DOUBLINGS, math.log2(asked_passes / TrainConfig.epochs)) + _narrower(model.hidden_size, width)
    return {
        **splits,
        **window,
        "hidden_size": width,
        "epochs": passes,
        "learning_rate": learning_rate(model, width),
        "weight_decay": round(TrainConfig.weight_decay / math.sqrt(length), 4),
        "dropout": _within(0.5, TrainConfig.dropout + 0.25 * more),
        "weight_drop": _within(0.5, TrainConfig.weight_drop + 0.15 * more),
        "output_dropout": _within(0.6, TrainConfig.output_dropout + 0.15 * more),
        "input_dropout": _within(0.1, TrainConfig.input_dropout + 0.0375 * more),
    }


def learning_rate(model: ModelConfig, width: int) -> float:
    """The rate that suits a network whose training's effort would choose the hidden size ``width``.

    It goes with one over the hidden size, as Yang et al. 2022 (Tensor Programs V) derive for Adam.
    """
    rate = min(RATES[width], CELLS[model.cell].most_learning_rate)
    return round(rate * min(LARGEST_STEPS, width / model.hidden_size), 8)


def _fine_tuning(characters: int, effort: float, given: Mapping[str, Any], familiar: bool) -> dict[str, Any]:
    """What serves a network that knows the language: few passes, small steps, and little that disturbs it.

    The numbers were chosen on validation splits of Alice and Tiny Shakespeare, whole and pieces of 5,000 and 20,000
    characters, with 2x512 LSTMs that had learnt English. Rate and dropout follow the width and the cell from there as
    they do in trainings from nothing.
    """
    splits = _splits(characters, given)
    trained = max(1.0, characters * (1 - sum(splits.values())))
    length = trained / ALICE  # in Alices
    short = min(1.0, length)
    # the stranger the text, and the longer a strange one, the further from where it began the network has to go
    rate = short**0.25 * (0.0011 if familiar else 0.004 * max(1.0, length) ** 0.6)
    model = _network(given, WIDEST)
    step = learning_rate(model, WIDEST) / RATES[WIDEST]
    # few columns and long windows, in which what knows the language learns what else a text has
    columns = min(32, max(4, 2 ** round(math.log2(16 * math.sqrt(length)))))
    window = {"batch_size": columns, "bptt": min(2048 // columns, 2 ** round(math.log2(128 * short**0.15)))}
    few = _fine_tuning_passes(characters)
    asked_passes = _passes_asked({**window, **given}, trained) or few * effort
    more = math.log2(asked_passes / (TrainConfig.epochs / 2))  # doublings of the passes over Alice
    narrower = _narrower(model.hidden_size, WIDEST)
    return {
        **splits,
        **window,
        "epochs": few * effort,
        "learning_rate": round(step * min(0.006, rate * 2 ** (-more / 4)), 8),
        "weight_decay": TrainConfig.weight_decay,
        "dropout": _within(0.3, 0.12 * (math.log2(LITTLE / trained) + narrower)),
        "weight_drop": _within(0.25, 0.15 + 0.1 * (more + narrower)),
        "output_dropout": _within(0.5, 0.25 + 0.1 * (more + narrower)),
        "input_dropout": _within(0.1, 0.0375 + 0.0125 * (more + narrower)),
    }


def _splits(characters: int, given: Mapping[str, Any]) -> dict[str, float]:
    share = min(TrainConfig.val_fraction, LARGE_SPLIT / max(1, characters))
    splits = {name: given.get(name, share) for name in ("val_fraction", "test_fraction")}
    TrainConfig(**splits)  # refuses shares that leave no text to reckon with
    return splits


def settled() -> frozenset[str]:
    """The settings that follow from the text's size and the effort."""
    return frozenset(_from_nothing(ALICE, 1.0, {}))


def described() -> str:
    """What each preset spends, for a person."""
    laws = {name: _from_nothing(round(ALICE / 0.9), effort, {}) for name, effort in PRESETS.items()}
    return ", ".join(
        f"{name} ({law['hidden_size']} units a layer and {law['epochs']:.0f} passes over Alice)"
        for name, law in laws.items()
    )


def _network(given: Mapping[str, Any], width: int) -> ModelConfig:
    """The network, as far as a rate depends on it; of hidden size ``width`` unless another is given."""
    return ModelConfig(
        vocab_size=2, hidden_size=given.get("hidden_size", width), cell=given.get("cell", ModelConfig.cell)
    )


def _within(most: float, rate: float) -> float:
    return round(min(most, max(0.0, rate)), 3)


def _narrower(hidden_size: int, width: int) -> float:
    """Doublings of the passes, below 0, that a network narrower than ``width`` is to be spared the dropout of."""
    return min(0.0, math.log2(hidden_size / width))


def _passes_asked(given: Mapping[str, Any], trained: float) -> float:
    """How many passes the user's own ``epochs`` or ``steps`` are; 0 without either."""
    lengths = {name: given[name] for name in ("batch_size", "bptt", "steps", "epochs") if name in given}
    asked = TrainConfig(**lengths)
    if asked.steps:
        return asked.steps * asked.batch_size * asked.bptt / trained
    return asked.epochs if "epochs" in lengths else 0.0


def _passes(characters: int) -> float:
    """Passes over a text of this length at effort 1."""
    return TrainConfig.epochs * math.pow(ALICE / max(1000, 0.9 * characters), 0.8)


def _fine_tuning_passes(characters: int) -> float:
    """The same where a network begins from another's weights: half over Alice, and not many more over little text."""
    length = max(1000, 0.9 * characters) / ALICE
    return TrainConfig.epochs / 2 * math.pow(length, -0.8 if length > 1 else -0.4)


def _affordable(
    read: float, model: ModelConfig, train: TrainConfig, speed: float, widths: Sequence[tuple[float, int]]
) -> float:
    """The effort that ``train.minutes`` allow where a network like ``model`` trains at ``speed`` characters/s.

    ``read`` is how many characters all passes at effort 1 read, and ``widths`` are those to choose from, each with the
    effort up to which it is chosen.
    """
    work = SPENT * train.minutes * 60 * speed * model.parameters  # characters times parameters
    effort, narrower = 0.0, 0.01
    for limit, width in widths:
        parameters = dataclasses.replace(model, hidden_size=width).parameters
        effort = work / parameters / (0.9 * read)
        if effort <= limit:
            break
        narrower = limit
    return max(effort, narrower)  # too much for one width and too little for the next stays with the first
