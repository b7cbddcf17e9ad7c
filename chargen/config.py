"""The settings of a model, of its training and of sampling: frozen, and valid from the moment they exist.

Defaults stand here and nowhere else. ``from_dict`` reads what ``dataclasses.asdict`` wrote, and names every key it
does not know.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from chargen.errors import ConfigError

CELLS: Final = ("lstm", "gru", "rnn", "peephole")
DEVICES: Final = ("auto", "cpu", "cuda", "mps")
PRECISIONS: Final = ("auto", "fp32", "bf16")
GATES: Final[Mapping[str, int]] = {"lstm": 4, "peephole": 4, "gru": 3, "rnn": 1}
MAX_VOCAB: Final = 0x110000 + 1  # every Unicode code point, and the reserved unknown id
HELDOUT_CONTEXT: Final = 8000
"""Characters before a split that are read first. A state forgets within some hundred; weights that adapt gain from
thousands, and little from more: with 16,000 a 2x256 LSTM needs 0.001 bits per character less on Alice's validation."""


class _Config:
    """What the settings share: checks that name the field, and reading from a mapping."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The settings that ``dataclasses.asdict`` wrote; a missing key takes its default.

        Raises:
            ConfigError: a key is unknown, a required one is missing, or a value is out of its range.
        """
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass
        unknown = sorted(set(values) - {field.name for field in fields})
        if unknown:
            raise ConfigError(f"unknown {cls.__name__} setting {', '.join(map(repr, unknown))}")
        missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in values]
        if missing:
            raise ConfigError(f"{cls.__name__} lacks {', '.join(map(repr, missing))}")
        return cls(**values)

    def _number(self, name: str, low: float, high: float, *, whole: bool = False, open_low: bool = False) -> None:
        value = getattr(self, name)
        kind = "a whole number" if whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise ConfigError(f"{_option(name)} must be {kind}, not {value!r}")
        if not ((low < value if open_low else low <= value) and value <= high):  # also where it is not a number
            raise ConfigError(f"{_option(name)} must be {kind} {_range(low, high, open_low)}, not {value}")

    def _choice(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            raise ConfigError(f"{_option(name)} must be one of {', '.join(choices)}, not {value!r}")

    def _flag(self, name: str) -> None:
        if not isinstance(getattr(self, name), bool):
            raise ConfigError(f"{_option(name)} must be true or false, not {getattr(self, name)!r}")


def _option(name: str) -> str:
    return name.replace("_", "-")


def _range(low: float, high: float, open_low: bool) -> str:
    return f"{'above' if open_low else 'from'} {low:,} {'and at most' if open_low else 'to'} {high:,}"


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_Config):
    """The architecture: what must be known to build the network and to use its weights.

    Attributes:
        vocab_size: Distinct ids, the reserved unknown id among them where the vocabulary has one.
        cell: ``lstm`` (Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000), ``gru`` (Cho et
            al. 2014, the variant with the reset gate after the product, as in cuDNN and PyTorch), ``rnn`` (Elman
            1990, tanh) or ``peephole`` (Gers and Schmidhuber 2000; Graves 2013, equations 7 to 11).
        num_layers: Stacked recurrent layers.
        hidden_size: Units in each layer.
        embedding_size: Width of the learnt character embedding.
        one_hot: Feed one-hot characters instead of an embedding; ``embedding_size`` is then not used.
        skip: Connect the input to every layer and every layer to the read-out (Graves 2013, section 2).
        bidirectional: Add a backward stack; both together predict each character (Berglund et al. 2015).
    """

    vocab_size: int
    cell: str = "lstm"
    num_layers: int = 2
    hidden_size: int = 384
    embedding_size: int = 64
    one_hot: bool = False
    skip: bool = True
    bidirectional: bool = False

    def __post_init__(self) -> None:
        self._choice("cell", CELLS)
        self._number("vocab_size", 2, MAX_VOCAB, whole=True)
        self._number("num_layers", 1, 64, whole=True)
        self._number("hidden_size", 1, 65536, whole=True)
        self._number("embedding_size", 1, 65536, whole=True)
        for name in ("one_hot", "skip", "bidirectional"):
            self._flag(name)

    @property
    def input_size(self) -> int:
        """Width of the first layer's input."""
        return self.vocab_size if self.one_hot else self.embedding_size

    @property
    def readout_size(self) -> int:
        """Width of what the read-out sees of one stack: the top layer, or every layer with ``skip``."""
        return self.hidden_size * (self.num_layers if self.skip else 1)

    @property
    def state_parts(self) -> int:
        """Vectors carried per layer and sequence: 2 for ``(h, c)``, 1 for ``h`` alone."""
        return 2 if self.cell in ("lstm", "peephole") else 1

    def layer_input_size(self, layer: int) -> int:
        """Width of the input of ``layer`` (from 0)."""
        if layer == 0:
            return self.input_size
        return self.hidden_size + (self.input_size if self.skip else 0)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Every weight's name and shape: what a checkpoint holds and what the network is built from.

        Gates lie stacked along the first axis in PyTorch's order: LSTM i, f, g, o; GRU r, z, n. With ``skip`` the
        columns of a layer's ``weight_ih`` take the layer below first, then the input. ``weight_peephole`` has the
        rows i, f, o. A bidirectional model adds the layers of its backward stack under ``backward.`` and a ``joint``
        read-out that takes the forward stack's features first.
        """
        v, h, gates = self.vocab_size, self.hidden_size, GATES[self.cell]
        shapes: dict[str, tuple[int, ...]] = {} if self.one_hot else {"embedding.weight": (v, self.embedding_size)}
        for prefix in ("", "backward.") if self.bidirectional else ("",):
            for layer in range(self.num_layers):
                at = f"{prefix}layers.{layer}."
                shapes[at + "weight_ih"] = (gates * h, self.layer_input_size(layer))
                shapes[at + "weight_hh"] = (gates * h, h)
                shapes[at + "bias_ih"] = (gates * h,)
                shapes[at + "bias_hh"] = (gates * h,)
                if self.cell == "peephole":
                    shapes[at + "weight_peephole"] = (3, h)
        shapes["readout.weight"] = (v, self.readout_size)
        shapes["readout.bias"] = (v,)
        if self.bidirectional:
            shapes["joint.weight"] = (v, 2 * self.readout_size)
            shapes["joint.bias"] = (v,)
        return shapes

    @property
    def parameters(self) -> int:
        """Number of trained values."""
        return sum(math.prod(shape) for shape in self.weight_shapes().values())


@dataclass(frozen=True, kw_only=True)
class TrainConfig(_Config):
    """How a model is trained.

    Attributes:
        batch_size: Contiguous columns that the training text is laid out in.
        bptt: Steps of one window; gradients go back no further.
        epochs: Passes over the training split; ignored when ``steps`` is not 0.
        steps: Optimizer steps in all, 0 for ``epochs``.
        minutes: Wall-clock budget in minutes that the schedule is fitted to, 0 for none; replaces ``epochs``.
        learning_rate: AdamW's peak rate (Loshchilov and Hutter 2019), reached after ``warmup`` steps.
        warmup: Steps of linear warm-up; cosine decay to zero follows.
        weight_decay: Decoupled weight decay of the matrices; biases have none.
        grad_clip: Largest global gradient norm (Pascanu et al. 2013), 0 for no clipping.
        dropout: Locked dropout between layers: one mask a window and sequence (Gal and Ghahramani 2016).
        input_dropout: The same on the embedded characters.
        output_dropout: The same on what the read-out sees.
        weight_drop: DropConnect on the recurrent weights: one mask a window (Merity et al. 2018).
        ema_decay: Decay per step of the averaged weights that are evaluated and saved, 0 for no averaging.
        val_fraction: Share of the text for validation; it lies after the training split.
        test_fraction: Share of the text for the test; it comes last.
        eval_every: Steps between validations, 0 to choose: once an epoch, unless epochs are long or short.
        patience: Validations without a new best after which training stops, 0 for never.
        keep: Periodic checkpoints to keep beside ``best`` and ``last``.
        preview: Characters of sample text after each validation, 0 for none.
        precision: ``bf16`` runs the products in bfloat16 (weights, loss and optimizer stay float32); ``auto``
            takes it where the hardware is fast at it.
        device: Where to train; ``auto`` takes a GPU where there is one.
        threads: CPU threads, 0 to choose.
        seed: Of the initial weights, the columns' offsets and the dropout masks.
    """

    batch_size: int = 32
    bptt: int = 32
    epochs: float = 16
    steps: int = 0
    minutes: float = 0
    learning_rate: float = 12e-3
    warmup: int = 60
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    dropout: float = 0.0
    input_dropout: float = 0.075
    output_dropout: float = 0.4
    weight_drop: float = 0.3
    ema_decay: float = 0.998
    val_fraction: float = 0.05
    test_fraction: float = 0.05
    eval_every: int = 0
    patience: int = 10
    keep: int = 0
    preview: int = 60
    precision: str = "auto"
    device: str = "auto"
    threads: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("batch_size", "bptt"):
            self._number(name, 1, 1 << 20, whole=True)
        for name in ("steps", "warmup", "eval_every", "patience", "keep", "preview"):
            self._number(name, 0, 1 << 40, whole=True)
        self._number("threads", 0, 4096, whole=True)
        self._number("seed", 0, (1 << 63) - 1, whole=True)
        self._number("epochs", 0, 1e9, open_low=True)
        self._number("minutes", 0, 1e6)
        self._number("learning_rate", 0, 100, open_low=True)
        self._number("weight_decay", 0, 100)
        self._number("grad_clip", 0, 1e9)
        for name in ("dropout", "input_dropout", "output_dropout", "weight_drop"):
            self._number(name, 0, 0.95)
        self._number("ema_decay", 0, 0.999999)
        for name in ("val_fraction", "test_fraction"):
            self._number(name, 0, 0.9)
        if self.val_fraction + self.test_fraction > 0.9:
            raise ConfigError(
                f"val-fraction {self.val_fraction} and test-fraction {self.test_fraction} leave less than a tenth of "
                "the text for training; lower one of them"
            )
        self._choice("precision", PRECISIONS)
        self._choice("device", DEVICES)


@dataclass(frozen=True, kw_only=True)
class SamplerConfig(_Config):
    """How the next character is drawn from the model's logits. The filters act in the order listed.

    Attributes:
        repetition_penalty: Logits of recently written characters are divided by it where positive and multiplied
            where negative (Keskar et al. 2019, section 4.1); 1 for none.
        penalty_window: How many of the last characters count as recent.
        temperature: Divides the logits; 0 takes the likeliest character.
        top_k: Keep the k likeliest characters, 0 for all.
        top_p: Keep the likeliest characters that together reach this probability (Holtzman et al. 2020), 1 for all.
        min_p: Drop characters less likely than this share of the likeliest one's probability (Nguyen et al. 2024).
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    penalty_window: int = 64

    def __post_init__(self) -> None:
        self._number("temperature", 0, 100)
        self._number("top_k", 0, MAX_VOCAB, whole=True)
        self._number("top_p", 0, 1, open_low=True)
        self._number("min_p", 0, 1)
        self._number("repetition_penalty", 0, 100, open_low=True)
        self._number("penalty_window", 1, 1 << 20, whole=True)


@dataclass(frozen=True, kw_only=True)
class AdaptConfig(_Config):
    """How the weights go on learning from what is read; ``chargen.training.dynamic_evaluation`` has the equations.

    The defaults were chosen on Alice's validation split, with models of 2x256 and 2x384.

    Attributes:
        adapt_rate: Step size, in units of each weight's root mean square gradient; 0 for weights that stay.
        adapt_every: Characters learnt from at once; each is scored with the weights that all before have left.
        adapt_decay: Share of the way back to the trained weights that an average weight goes at each step.
    """

    adapt_rate: float = 5e-4
    adapt_every: int = 20
    adapt_decay: float = 3e-3

    def __post_init__(self) -> None:
        self._number("adapt_rate", 0, 1)
        self._number("adapt_every", 1, 1 << 16, whole=True)
        self._number("adapt_decay", 0, 1)
