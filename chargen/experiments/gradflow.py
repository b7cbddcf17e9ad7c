"""How far back a network's gradient reaches, measured on real text, and how its training takes gradients that explode.

The state s_l(t) of layer l is what it hands to the next step: (h, c) of an LSTM, h of the other cells. Its h part is
also what the layer above and the read-out see. The influence of the past on a prediction is the total derivative

    d loss(t) / d s_l(t-k),   loss(t) = -ln p(character t+1 | characters up to t),

along every path from there to the prediction: through all later steps, and through all layers. An LSTM's memory runs
through c, so that the derivative by h alone leaves most of it out; both are measured. That the norm shrinks or grows
geometrically with k is the vanishing and exploding gradient (Hochreiter 1991, *Untersuchungen zu dynamischen
neuronalen Netzen*; Bengio, Simard and Frasconi 1994, *Learning long-term dependencies with gradient descent is
difficult*); rescaling a gradient that is too long is Pascanu, Mikolov and Bengio's remedy (2013, *On the difficulty
of training recurrent neural networks*).

Legend: B columns, T time, L layers, H hidden size, S state parts, K lags.
"""

import contextlib
import dataclasses
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import GradflowConfig, ModelConfig, TrainConfig
from chargen.errors import CorpusError, TrainingError
from chargen.store.checkpoint import Checkpoint
from chargen.text.corpus import Corpus
from chargen.training import hardware
from chargen.training.automatic import resolve
from chargen.training.bptt import Windows
from chargen.training.schedule import Schedule
from chargen.training.step import Learner
from chargen.training.torch_network import StackedRNN

CONTEXT: Final = 128  # characters read before the first lag, so that no state is near the zero state
COLUMNS: Final = 32  # positions measured at once; more costs memory and gains little
FADED: Final = 0.01

Ids = NDArray[np.integer[Any]]
Norms = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Gradient norms at lags 0 to K, averaged over positions t of a text.

    At each position the L2 norm is taken over everything that the row stands for; the mean is that of the norms. Rows
    are the layers from the bottom, and last the whole network.

    Attributes:
        state: Of d loss(t) / d s_l(t-k); last of d loss(t) / d s(t-k), all layers' states together. (L + 1, K + 1).
        hidden: The same by h alone, c held fixed. Where the cell has no c the two are equal. (L + 1, K + 1).
        positions: How many positions the mean is over.
    """

    state: Norms
    hidden: Norms
    positions: int


def measure(
    network: StackedRNN, ids: Ids, *, lags: int = GradflowConfig.lags, positions: int = GradflowConfig.positions
) -> Flow:
    """The gradient norms of ``network`` on a text, exact at every position, by back-propagation through the steps.

    Args:
        network: The network, on the CPU; no dropout acts.
        ids: The text, (N,).
        lags: The largest lag K.
        positions: How many positions t to average over, evenly spread; fewer where the text has not so many.

    Raises:
        CorpusError: the text is too short for that many lags.
        TrainingError: a gradient is beyond the largest float.
    """
    context = min(CONTEXT, len(ids) - lags - 2)
    if context < 0:
        raise CorpusError(f"{len(ids)} characters are too few for {lags} lags; give a longer text or lower --lags")
    last = np.unique(np.linspace(context + lags, len(ids) - 2, positions).astype(np.int64))
    sums = np.zeros((2, len(network.stack) + 1, lags + 1))
    with hardware.tuned(hardware.choose_threads(0, network.config)):
        for at in np.array_split(last, math.ceil(len(last) / COLUMNS)):
            sums += _norms(network, ids[at + np.arange(-context - lags, 2)[:, None]], lags)
    if not np.isfinite(sums).all():
        raise TrainingError(f"the gradient grew beyond the largest float within {lags} lags; measure fewer of them")
    state, hidden = sums / len(last)
    return Flow(state=state, hidden=hidden, positions=len(last))


def _norms(network: StackedRNN, rows: Ids, lags: int) -> Norms:
    """Both arrays of ``Flow``, (2, L + 1, K + 1), but summed over the columns of ``rows`` (T, B)."""
    window = torch.from_numpy(rows.astype(np.int64))
    state = network.initial_state(window.shape[1])
    begin = len(window) - lags - 2
    if begin:
        with torch.no_grad():
            _, state = network.features(window[:begin], state)
    with _watched(network) as nodes:
        for t in range(begin, len(window) - 1):
            features, state = network.features(window[t : t + 1], state)
    loss = F.cross_entropy(network.logits(features[0]), window[-1], reduction="sum")
    # the squares of a small gradient would vanish in float32, those of a large one overflow
    squares = torch.stack([grad.double().square().sum(-1) for grad in torch.autograd.grad(loss, nodes)])  # (.., S, B)
    squares = squares.view(lags + 1, len(network.stack), *squares.shape[1:]).flip(0)  # (K + 1, L, S, B)
    layers = torch.stack([squares.sum(2), squares[:, :, 0]])  # (2, K + 1, L, B)
    norms = torch.cat([layers, layers.sum(2, keepdim=True)], dim=2).sqrt()
    sums: Norms = norms.sum(-1).transpose(1, 2).numpy()
    return sums


@contextlib.contextmanager
def _watched(network: StackedRNN) -> Iterator[list[Tensor]]:
    """Every layer's state (S, B, H) after each step of one character, in the order they are made.

    Each is made the one node of the graph from which the layer above, the read-out and the next step take it.
    """
    nodes: list[Tensor] = []

    def watch(_layer: nn.Module, _inputs: object, output: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        nodes.append(output[1])
        return output[1][:1], output[1]

    handles = [layer.register_forward_hook(watch) for layer in network.stack]
    try:
        yield nodes
    finally:
        for handle in handles:
            handle.remove()


def effective_memory(curve: Sequence[float] | Norms) -> float | None:
    """The lag at which ``curve`` first falls to 1 % of its value at lag 0; None where it never does.

    Between two lags the curve is taken as geometric.
    """
    floor = FADED * curve[0]
    for lag in range(1, len(curve)):
        if curve[lag] <= floor:
            above, below = math.log(curve[lag - 1]), math.log(max(curve[lag], sys.float_info.min))
            return lag - 1 + (above - math.log(floor)) / (above - below)
    return None


def scale_recurrent(network: StackedRNN, factor: float) -> None:
    """Multiply every layer's recurrent weights by ``factor``.

    They start orthogonal gate by gate, so ``factor`` becomes the spectral radius of each gate's matrix.
    """
    for layer in network.stack:
        layer.weight_hh.data.mul_(factor)


@dataclass(frozen=True, kw_only=True)
class Clipping:
    """What clipping did in a training, up to a checkpoint.

    Attributes:
        limit: The largest norm allowed, 0 for no clipping.
        steps: Optimizer steps.
        share: Of the steps at which the gradient was longer than the limit.
        mean: Gradient norm before clipping, over all steps.
        highest: The highest mean norm between two validations.
    """

    limit: float
    steps: int
    share: float
    mean: float
    highest: float


def clipping(checkpoint: Checkpoint) -> Clipping | None:
    """What clipping did in a checkpoint's training; None before its first validation."""
    history = checkpoint.history
    if not history:
        return None
    steps = np.diff([0, *(evaluation.step for evaluation in history)])
    norms = [evaluation.grad_norm for evaluation in history]
    return Clipping(
        limit=checkpoint.train.grad_clip,
        steps=history[-1].step,
        share=float(np.average([evaluation.clipped for evaluation in history], weights=steps)),
        mean=float(np.average(norms, weights=steps)),
        highest=max(norms),
    )


@dataclass(frozen=True, kw_only=True)
class Descent:
    """A short training, step by step.

    Attributes:
        losses: Mean loss of each step's window, in bits per character.
        norms: Gradient norm of each step before clipping.
        broke_down: Whether the loss or the gradient stopped being finite, and the training with it.
    """

    losses: tuple[float, ...]
    norms: tuple[float, ...]
    broke_down: bool

    def share_above(self, limit: float) -> float:
        """Share of the steps whose gradient was longer than ``limit``."""
        return sum(norm > limit for norm in self.norms) / max(1, len(self.norms))

    @property
    def final_bpc(self) -> float | None:
        """Mean loss of the last tenth of the steps; None where it broke down at the first."""
        return statistics.fmean(self.losses[-max(1, len(self.losses) // 10) :]) if self.losses else None


def descend(corpus: Corpus, model: ModelConfig, train: TrainConfig, *, recurrent_scale: float = 1.0) -> Descent:
    """A training of ``train.steps`` steps on the training split, from scaled recurrent weights, clipped or not.

    The steps are those of ``chargen train`` with these settings, on the CPU and without dropout and averaging, so that
    nothing but ``train.grad_clip`` and the scale makes a difference. Nothing is kept of it.
    """
    split = corpus.split(train).train
    without = ("minutes", "dropout", "input_dropout", "output_dropout", "weight_drop", "ema_decay")
    train = dataclasses.replace(train, device="cpu", precision="fp32", **dict.fromkeys(without, 0))
    train, _ = resolve(train, model, len(split))
    windows = Windows(corpus.ids, split, train)
    schedule = Schedule(train, windows.per_epoch)
    learner = Learner(model, train)
    scale_recurrent(learner.network, recurrent_scale)
    losses: list[float] = []
    norms: list[float] = []
    with hardware.tuned(train.threads):
        for step in range(schedule.total_steps):
            if windows.starts_epoch(step):
                learner.forget()
            loss, norm = learner.learn(*windows.at(step), schedule.learning_rate(step))
            if not (math.isfinite(loss) and math.isfinite(norm)):
                break
            losses.append(float(loss) / math.log(2))
            norms.append(float(norm))
    return Descent(losses=tuple(losses), norms=tuple(norms), broke_down=len(losses) < schedule.total_steps)
