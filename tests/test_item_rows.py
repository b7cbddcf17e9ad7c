"""Lists as rows of input and target, and networks over them: nothing crosses from one item to the next."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from numpy.typing import NDArray
from samples import arrays
from torch.nn import functional as F

from chargen.config import CELLS, ModelConfig, TrainConfig
from chargen.errors import CorpusError
from chargen.store.checkpoint import load
from chargen.text.corpus import Texts
from chargen.text.vocab import Vocab
from chargen.training import start
from chargen.training.distributed import World
from chargen.training.evaluate import evaluate
from chargen.training.item_rows import RESET, ItemRows, ItemWindows
from chargen.training.step import Learner
from chargen.training.torch_network import StackedRNN

VOCAB = Vocab("\nabcdefgh")
END = 0
ITEMS = ("abc", "dd", "a", "hgfedcbaabcdefgh", "bcd", "g", "cab")


def ids_of(*items: str) -> NDArray[np.int64]:
    """A list as ids."""
    return VOCAB.ids_of("".join(item + "\n" for item in items))


def network(cell: str = "lstm", **changes: Any) -> StackedRNN:
    """A network of random weights that are far from zero, for lists."""
    config = ModelConfig(vocab_size=len(VOCAB), cell=cell, hidden_size=6, embedding_size=5, **changes)
    made = StackedRNN(config, resets=True)
    generator = torch.Generator().manual_seed(2)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.6, generator=generator)
    return made


def backward(loss: torch.Tensor) -> None:
    """Computes the gradients."""
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped


def test_rows_are_items_with_a_reset_before_each() -> None:
    """The end mark is each item's first input and its last target; nothing follows the last item."""
    inputs, targets = ItemRows(ids_of("ab", "c"), range(5), END).at(np.arange(8))
    assert inputs.tolist() == [RESET, 0, 1, 2, RESET, 0, 3, RESET]
    assert targets.tolist() == [RESET, 1, 2, 0, RESET, 3, 0, RESET]


def test_an_epoch_reads_every_item_once_in_an_order_of_its_own() -> None:
    """Whole items begin the columns; what does not fill a window is left out, in each epoch something else."""
    names = [f"{a}{b}{c}" for a, b, c in itertools.product("abcdefgh", repeat=3)]
    train = TrainConfig(batch_size=4, bptt=10, seed=3)
    windows = ItemWindows(ids_of(*names), range(4 * len(names)), train, end=END)
    assert windows.per_epoch == 5 * len(names) // 40
    epochs = []
    for epoch in range(2):
        steps = range(epoch * windows.per_epoch, (epoch + 1) * windows.per_epoch)
        assert [windows.starts_epoch(step) for step in steps] == [True] + [False] * (len(steps) - 1)
        inputs, targets = (torch.cat(part) for part in zip(*map(windows.at, steps), strict=True))
        assert (inputs[0] == RESET).all()
        assert ((inputs == RESET) == (targets == RESET)).all()
        columns = [VOCAB.text_of(column[column != RESET].numpy()).split("\n")[:-1] for column in targets.T]
        read = list(itertools.chain(*columns))
        assert len(set(read)) == len(read) >= len(names) - 10
        assert set(read) <= set(names)
        epochs.append(read)
    assert epochs[0] != epochs[1]
    again = ItemWindows(ids_of(*names), range(4 * len(names)), train, end=END).at(windows.per_epoch + 2)
    for one, other in zip(again, windows.at(windows.per_epoch + 2), strict=True):
        assert torch.equal(one, other)


def test_a_list_too_short_for_a_window_is_refused() -> None:
    """So is a window of one step, which might hold nothing but resets."""
    for batch_size, bptt in ((2, 4), (1, 1)):
        train = TrainConfig(batch_size=batch_size, bptt=bptt)
        with pytest.raises(
            CorpusError, match=rf"training split of 5 .* windows of {batch_size} x {bptt} .* more items"
        ):
            ItemWindows(ids_of("ab", "c"), range(5), train, end=END)


@pytest.mark.parametrize("cell", CELLS)
def test_a_reset_leaves_the_zero_state(cell: str) -> None:
    """Exactly, in every layer, whatever was before; nothing of it reaches a gradient from behind."""
    made = network(cell)
    before = torch.randn(made.initial_state(2).shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    logits, after = made(torch.tensor([[RESET, 3], [END, RESET], [2, END]]), before)
    fresh, state = made(torch.tensor([[END], [2]]), made.initial_state(1))
    torch.testing.assert_close(logits[1:, :1], fresh)
    torch.testing.assert_close(after[:, :, :1], state)
    torch.testing.assert_close(logits[2:, 1:], fresh[:1])
    backward(logits[1:, 0].sum())
    assert before.grad is not None
    assert not before.grad[:, :, 0].any()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in made.parameters())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("skip", [True, False])
def test_gradients_are_those_of_the_items_alone(cell: str, skip: bool) -> None:
    """Items one after the other teach what each by itself does."""
    packed, alone = network(cell, skip=skip), network(cell, skip=skip)
    rows = ItemRows(ids := ids_of(*ITEMS), range(len(ids)), END)
    inputs, targets = rows.at(np.arange(len(rows))[:, None])
    logits, _ = packed(inputs, packed.initial_state(1))
    backward(F.cross_entropy(logits.flatten(0, 1), targets.flatten()))
    nats = torch.zeros(())
    for item in ITEMS:
        read = torch.from_numpy(ids_of(item))[:, None]
        logits, _ = alone(torch.cat([read[-1:], read[:-1]]), alone.initial_state(1))
        nats = nats + F.cross_entropy(logits.flatten(0, 1), read.flatten(), reduction="sum")
    backward(nats / len(ids))
    for one, other in zip(packed.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_an_item_longer_than_a_window_goes_on_in_the_next(cell: str) -> None:
    """Its state is carried on, so that the logits are those of one long window."""
    made = network(cell)
    rows = ItemRows(ids := ids_of(*ITEMS), range(len(ids)), END)
    inputs, _ = rows.at(np.arange(len(rows))[:, None])
    whole, _ = made(inputs, made.initial_state(1))
    state, parts = made.initial_state(1), []
    for window in torch.split(inputs, 5):
        logits, state = made(window, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts), whole)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "changes", [{}, {"one_hot": True}, {"skip": False}, {"bidirectional": True}, {"num_layers": 1}]
)
def test_an_item_costs_the_same_alone_and_packed(cell: str, changes: dict[str, Any]) -> None:
    """In one column or several, among others or by itself, from the left and from both sides."""
    made = network(cell, **changes)
    ids = ids_of("ba", *ITEMS)
    span = range(3, len(ids))
    for both_sides in {False, bool(changes.get("bidirectional"))}:
        costs = []
        for item in ITEMS:
            lone = ids_of("ba", item)
            (bits,) = evaluate(made, lone, range(3, len(lone)), both_sides=both_sides, end=END)
            costs.append(bits * (len(lone) - 3))
        for column in (1, 4, 1000):
            (bits,) = evaluate(made, ids, span, column=column, both_sides=both_sides, end=END)
            assert bits * len(span) == pytest.approx(sum(costs), rel=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_another_item_leaves_the_others_losses_as_they_are(bidirectional: bool) -> None:
    """One item is changed, the logits of all others stay."""
    made = network(bidirectional=bidirectional)

    def logits(*items: str) -> torch.Tensor:
        rows = ItemRows(ids := ids_of(*items), range(len(ids)), END)
        inputs, targets = rows.at(np.arange(len(rows))[:, None])
        features, _ = made.features(inputs, made.initial_state(1))
        return made.joint_logits(features, targets) if bidirectional else made.readout(features)

    one, other = logits("abc", "ddd", "gha"), logits("abc", "efg", "gha")
    torch.testing.assert_close(one[:5], other[:5])
    torch.testing.assert_close(one[10:], other[10:])
    assert not torch.allclose(one[7:9], other[7:9])


def test_each_character_counts_alike_in_several_processes() -> None:
    """The mean of the processes' gradients is that of all columns, though some have more resets than others."""

    class Share(World):
        """A process among two, whose means and gradients are left as they are."""

        def parallel(self, module: torch.nn.Module) -> torch.nn.Module:
            return module

        def mean(self, value: torch.Tensor) -> torch.Tensor:
            return value

    model = ModelConfig(vocab_size=len(VOCAB), hidden_size=6, embedding_size=5)
    train = TrainConfig(batch_size=4, bptt=6, device="cpu", precision="fp32", grad_clip=0.0)
    windows = ItemWindows(ids := ids_of(*ITEMS, *"abcdefgh"), range(len(ids)), train, end=END)
    losses, gradients = [], []
    for process in (World(), Share(0, 2), Share(1, 2)):
        learner = Learner(model, train, process, resets=True)
        loss, _ = learner.learn(*windows.at(0), 0.0)
        losses.append(loss)
        gradients.append(
            torch.cat([weight.grad.flatten() for weight in learner.network.parameters() if weight.grad is not None])
        )
    torch.testing.assert_close((losses[1] + losses[2]) / 2, losses[0])
    torch.testing.assert_close((gradients[1] + gradients[2]) / 2, gradients[0])


@pytest.fixture
def names(tmp_path: Path) -> Texts:
    """A list of short items, and some longer than a window."""
    file = tmp_path / "names.txt"
    items = [f"name{number % 70}" * (1 + 9 * (number % 20 == 0)) for number in range(360)]
    file.write_text("\n".join(items), encoding="utf-8")
    return Texts(sources=(str(file),), lines=True)


@pytest.mark.parametrize("changes", [{}, {"cell": "rnn"}, {"bidirectional": True, "ema_decay": 0.0}])
def test_a_training_on_a_list_goes_on_exactly(names: Texts, tmp_path: Path, changes: dict[str, Any]) -> None:
    """Stopped within an epoch and resumed, it ends with the same weights, bit for bit, over several epochs."""
    settings = {**tiny.SETTINGS, "steps": 150, "eval_every": 40, **changes}
    whole = start.begin(names, run="whole", root=tmp_path, **settings)
    assert whole.windows.per_epoch < 100
    tiny.finish(whole)
    asked = itertools.count()
    parted = start.begin(names, run="parted", root=tmp_path, stop=lambda: next(asked) == 101, **settings)
    assert tiny.finish(parted).reason == "interrupted"
    tiny.finish(start.resume("parted", root=tmp_path))
    one, other = (load(tmp_path / run / "last.safetensors", with_state=True) for run in ("whole", "parted"))
    assert one.corpus == other.corpus
    for name, array in arrays(one).items():
        np.testing.assert_array_equal(array, arrays(other)[name], err_msg=name)


def test_a_list_is_learnt_within_minutes(names: Texts, tmp_path: Path) -> None:
    """A time budget ends its training too, with everything measured, and more of it goes on."""
    budget = {**tiny.SETTINGS, "steps": 0, "minutes": 0.001}
    first = tiny.finish(start.begin(names, run="run", root=tmp_path, **budget))
    assert first.test_bpc is not None
    second = tiny.finish(start.resume("run", root=tmp_path, steps=first.step + 5))
    assert second.step == first.step + 5


def test_a_list_is_learnt_from_another_models_weights(names: Texts, tmp_path: Path) -> None:
    """Fine-tuning begins from a model of a text, and its loss falls."""
    text = tmp_path / "text.txt"
    text.write_text("name12 name3 name14\n" * 200, encoding="utf-8")
    parent = tiny.train(text, tmp_path, run="parent", steps=60)
    settings = {name: value for name, value in tiny.SETTINGS.items() if "size" not in name and name != "num_layers"}
    trainer = start.begin(
        names, run="child", root=tmp_path, init_from=parent.best, **{**settings, "batch_size": 4, "steps": 40}
    )
    tiny.finish(trainer)
    losses = [row.val_bpc for row in load(tmp_path / "child" / "last.safetensors").history]
    assert losses[-1] is not None
    assert losses[-1] < np.log2(len(trainer.corpus.vocab))


def test_test_and_validation_are_measured_item_by_item(names: Texts, tmp_path: Path) -> None:
    """The figures of a run are what ``evaluate`` gives with its weights, and less than those of a text."""
    trainer = start.begin(names, run="run", root=tmp_path, **tiny.SETTINGS)
    finished = tiny.finish(trainer)
    best = load(finished.best)
    judge = StackedRNN(dataclasses.replace(best.model), resets=True)
    judge.load(best.weights)
    (bits,) = evaluate(judge, trainer.split.ids, trainer.split.test, end=trainer.end)
    assert finished.test_bpc == pytest.approx(bits, rel=1e-5)
