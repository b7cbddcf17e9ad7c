"""The settings of a model, of its training and of sampling, and the table of cells.

Each setting is declared once: its line has default, help and range, and a comment on where it comes from. Validation,
the options of the command line, their help and the keywords of the library follow from that line (``chargen.setting``).
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chargen.errors import ConfigError
from chargen.setting import Config, Setting, setting

MAX_VOCAB: Final = 0x110000 + 1  # every Unicode code point, and the reserved unknown id
MAX_SEED: Final = (1 << 63) - 1
LENGTH: Final = 500
"""Characters that are written where no length is given."""
TURN_LENGTH: Final = 200
"""Characters of a turn, about, where a person and the model write together."""
MAX_SAMPLES: Final = 100_000
"""Texts in one batch."""
MAX_BEAMS: Final = 1000
"""Beginnings that a beam search keeps."""
ITEMS: Final = 10
"""Items that a model of a list writes where no number is given."""
MARK: Final = "\x03"
"""The end mark of items that may hold line ends: END OF TEXT, which no text needs and no program shows."""
HELDOUT_CONTEXT: Final = 8000
"""Characters before a split that are read first. A state forgets within some hundred; weights that adapt gain from
thousands, and little from more: with 16,000 a 2x256 LSTM needs 0.001 bits per character less on Alice's validation."""

DEVICES: Final = ("auto", "cpu", "cuda", "mps")
PRECISIONS: Final = ("auto", "fp32", "bf16")
_REGULARISATION: Final = "Regularisation"
FRESH: Final = "Fresh networks"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A recurrent cell: all that the program knows of it beside its equations.

    Attributes:
        gates: The blocks of rows of ``weight_ih`` and ``weight_hh``, H rows each, in PyTorch's order.
        state_parts: Vectors carried per layer and sequence: 2 for ``(h, c)``, 1 for ``h`` alone.
        peepholes: The gates that see the cell state, in the order of the rows of ``weight_peephole``.
        reset_after: A gate scales the last block's recurrent product, bias and all, so that it is not simply added.
        most_learning_rate: What presets give it at most, before they look at its width; with more, a GRU and an RNN
            learn much less.
    """

    gates: tuple[str, ...]
    state_parts: int
    peepholes: tuple[str, ...] = ()
    reset_after: bool = False
    most_learning_rate: float = math.inf

    @property
    def forget_gate(self) -> int | None:
        """The block that is the forget gate, whose bias begins at 1 (Jozefowicz et al. 2015); None without one."""
        return self.gates.index("f") if "f" in self.gates else None


CELLS: Final[Mapping[str, Cell]] = {
    # Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000
    "lstm": Cell(gates=("i", "f", "g", "o"), state_parts=2),
    # Cho et al. 2014, the variant with the reset gate after the product, as in cuDNN and PyTorch
    "gru": Cell(gates=("r", "z", "n"), state_parts=1, reset_after=True, most_learning_rate=0.006),
    # Elman 1990, with tanh
    "rnn": Cell(gates=("h",), state_parts=1, most_learning_rate=0.003),
    # Gers and Schmidhuber 2000; Graves 2013, equations 7 to 11
    "peephole": Cell(gates=("i", "f", "g", "o"), state_parts=2, peepholes=("i", "f", "o"), most_learning_rate=0.006),
}


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Config):
    """The architecture: what must be known to build the network and to use its weights."""

    panel = "Model"

    # distinct ids, the reserved unknown id among them where the vocabulary has one
    vocab_size: int = dataclasses.field(metadata={"setting": Setting("Distinct ids.", int, 2, MAX_VOCAB)})
    cell: str = setting("lstm", "The recurrent cell.", choices=tuple(CELLS))
    num_layers: int = setting(2, "Stacked recurrent layers.", 1, 64, names=("--num-layers", "--layers"))
    hidden_size: int = setting(384, "Units in each layer.", 1, 65536)
    embedding_size: int = setting(64, "Width of the learnt character embedding.", 1, 65536)
    one_hot: bool = setting(False, "Feed one-hot characters instead of an embedding.")
    # Graves 2013, section 2
    skip: bool = setting(True, "Connect the input to every layer, every layer to the read-out.")
    # both stacks together predict each character: Berglund et al. 2015
    bidirectional: bool = setting(False, "Add a backward stack, to fill gaps from both sides.")

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
        return CELLS[self.cell].state_parts

    def layer_input_size(self, layer: int) -> int:
        """Width of the input of ``layer`` (from 0)."""
        if layer == 0:
            return self.input_size
        return self.hidden_size + (self.input_size if self.skip else 0)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Every weight's name and shape: what a checkpoint holds and what the network is built from.

        Gates lie stacked along the first axis, as ``CELLS`` names them. With ``skip`` the columns of a layer's
        ``weight_ih`` take the layer below first, then the input. A bidirectional model adds the layers of its backward
        stack under ``backward.`` and a ``joint`` read-out that takes the forward stack's features first.
        """
        v, h, cell = self.vocab_size, self.hidden_size, CELLS[self.cell]
        rows = len(cell.gates) * h
        shapes: dict[str, tuple[int, ...]] = {} if self.one_hot else {"embedding.weight": (v, self.embedding_size)}
        for prefix in ("", "backward.") if self.bidirectional else ("",):
            for layer in range(self.num_layers):
                at = f"{prefix}layers.{layer}."
                shapes[at + "weight_ih"] = (rows, self.layer_input_size(layer))
                shapes[at + "weight_hh"] = (rows, h)
                shapes[at + "bias_ih"] = (rows,)
                shapes[at + "bias_hh"] = (rows,)
                if cell.peepholes:
                    shapes[at + "weight_peephole"] = (len(cell.peepholes), h)
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
class TrainConfig(Config):
    """How a model is trained."""

    panel = "Training"

    epochs: float = setting(16.0, "Passes over the training text.", 0, 1e9, above=True)
    steps: int = setting(0, "Optimizer steps, instead of epochs; 0 for epochs.", 0, 1 << 40)
    minutes: float = setting(
        0.0, "Minutes to spend, which the schedule is fitted to, instead of epochs; 0 for epochs.", 0, 1e6
    )
    batch_size: int = setting(32, "Contiguous columns of text side by side.", 1, 1 << 20)
    bptt: int = setting(32, "Steps of one window; gradients go back no further.", 1, 1 << 20)
    # AdamW: Loshchilov and Hutter 2019
    learning_rate: float = setting(
        12e-3, "Peak learning rate of AdamW.", 0, 100, above=True, names=("--learning-rate", "--lr")
    )
    warmup: int = setting(60, "Steps of linear warm-up; cosine decay to zero follows.", 0, 1 << 40)
    # of the global norm: Pascanu et al. 2013
    grad_clip: float = setting(1.0, "Largest gradient norm; 0 for no clipping.", 0, 1e9)
    eval_every: int = setting(
        0, "Steps between validations; 0 for an epoch's, unless epochs are long or short.", 0, 1 << 40
    )
    patience: int = setting(10, "Stop after this many validations without a new best; 0 for never.", 0, 1 << 40)
    # one mask a window and sequence: Gal and Ghahramani 2016
    dropout: float = setting(0.0, "Locked dropout between layers.", 0, 0.95, panel=_REGULARISATION)
    input_dropout: float = setting(0.075, "Locked dropout on the embedding.", 0, 0.95, panel=_REGULARISATION)
    output_dropout: float = setting(0.4, "Locked dropout before the read-out.", 0, 0.95, panel=_REGULARISATION)
    # one mask a window: Merity et al. 2018
    weight_drop: float = setting(0.3, "DropConnect on the recurrent weights.", 0, 0.95, panel=_REGULARISATION)
    weight_decay: float = setting(
        0.1, "Decoupled weight decay of the matrices; biases have none.", 0, 100, panel=_REGULARISATION
    )
    ema_decay: float = setting(
        0.998,
        "Decay a step of the averaged weights, which are evaluated and saved; 0 for no averaging.",
        0,
        0.999999,
        panel=_REGULARISATION,
    )
    val_fraction: float = setting(0.05, "Share of the text for validation, after the training's.", 0, 0.9, panel="Text")
    test_fraction: float = setting(0.05, "Share of the text for the test, at its end.", 0, 0.9, panel="Text")
    keep: int = setting(0, "Periodic checkpoints to keep beside best and last.", 0, 1 << 40, panel="Run")
    preview: int = setting(60, "Characters of sample text after each validation; 0 for none.", 0, 1 << 40, panel="Run")
    device: str = setting("auto", "Where to train; auto takes a GPU where there is one.", choices=DEVICES)
    # weights, loss and optimizer stay float32
    precision: str = setting(
        "auto",
        "Precision of the matrix products; auto takes bf16 where the hardware is fast at it.",
        choices=PRECISIONS,
    )
    threads: int = setting(0, "CPU threads; 0 to choose.", 0, 4096)
    seed: int = setting(1, "Seed of the initial weights, the dropout masks and the columns' offsets.", 0, MAX_SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.val_fraction + self.test_fraction > 0.9:
            raise ConfigError(
                f"val-fraction {self.val_fraction} and test-fraction {self.test_fraction} leave less than a tenth of "
                "the text for training; lower one of them"
            )


ON_RESUME: Final = frozenset({"device", "precision", "threads", "preview", "keep"})
"""Training settings that may change when a run goes on; all others are part of what makes it exact."""
BUDGET: Final = ("epochs", "steps", "minutes")
"""Training settings of which a run may be given more when it goes on, one at a time."""


@dataclass(frozen=True, kw_only=True)
class SamplerConfig(Config):
    """How the next character is drawn from the model's logits. The penalty acts first, then the others as listed."""

    panel = "Choice of characters"

    temperature: float = setting(
        0.8, "Below 1 safer, above 1 wilder, 0 likeliest.", 0, 100, names=("--temperature", "-t")
    )
    top_k: int = setting(0, "Choose among the k likeliest; 0 for all.", 0, MAX_VOCAB)
    # Holtzman et al. 2020
    top_p: float = setting(1.0, "Choose among the likeliest that reach this probability.", 0, 1, above=True)
    # Nguyen et al. 2024
    min_p: float = setting(0.0, "Leave out what is less likely than this share of the likeliest.", 0, 1)
    # logits of recent characters are divided by it where positive, else multiplied: Keskar et al. 2019, section 4.1
    repetition_penalty: float = setting(
        1.0, "Above 1: recently written characters become less likely.", 0, 100, above=True
    )
    penalty_window: int = setting(64, "How many characters count as recent.", 1, 1 << 20)


@dataclass(frozen=True, kw_only=True)
class AdaptConfig(Config):
    """How the weights go on learning from what is read; ``chargen.training.dynamic_evaluation`` has the equations.

    The defaults were chosen on Alice's validation split, with models of 2x256 and 2x384.
    """

    panel = "Adaptation"

    # step size, in units of each weight's root mean square gradient
    adapt_rate: float = setting(5e-4, "How fast the weights learn from what is read; 0 for weights that stay.", 0, 1)
    # each is scored with the weights that all before have left
    adapt_every: int = setting(20, "Characters learnt from at once.", 1, 1 << 16)
    # share of the way back to the trained weights that an average weight goes at each step
    adapt_decay: float = setting(3e-3, "How fast they go back to where they came from.", 0, 1)


@dataclass(frozen=True, kw_only=True)
class InfillConfig(Config):
    """How gaps are filled in; ``chargen.inference.infill`` has the method."""

    candidates: int = setting(5, "Fillings to show, at most.", 1, 1 << 40, names=("--candidates", "-c"))
    chains: int = setting(64, "Gibbs chains side by side, for more than one missing character.", 1, 1 << 20)
    sweeps: int = setting(20, "Passes of each chain; the first quarter is not counted.", 1, 1 << 40)
    seed: int = setting(1, "Seed of the samples.", 0, MAX_SEED)


@dataclass(frozen=True, kw_only=True)
class GradflowConfig(Config):
    """How far back gradients are followed, and how long a training shows what clipping does."""

    lags: int = setting(100, "Characters to look back.", 1, 10_000)
    positions: int = setting(256, "Predictions to average over.", 1, 1 << 40)
    recurrent_scale: float = setting(
        1.0,
        "Multiply the recurrent weights; then train so, with clipping and without.",
        0,
        1e6,
        above=True,
        panel=FRESH,
    )
    steps: int = setting(300, "Steps of that training.", 1, 1 << 40, panel=FRESH)
    grad_clip: float = setting(
        TrainConfig.grad_clip, "Largest gradient norm of that training.", 0, 1e9, above=True, panel=FRESH
    )


@dataclass(frozen=True, kw_only=True)
class CompareConfig(Config):
    """How large the compared networks are, how often each is trained, and at which rates."""

    panel = "Budget"

    parameters: int = setting(500_000, "Parameters of each network; its hidden size follows.", 1, 1 << 40)
    seeds: int = setting(1, "Trainings of each cell, with different seeds.", 1, 1 << 20)
    same_rate: bool = setting(False, "One learning rate for all cells, which each can bear, instead of its own.")
