"""The law that sets width, passes and dropout from a text's length and the effort."""

import itertools
import math

import pytest

from chargen.config import CELLS, ModelConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.presets import ALICE, LARGE_SPLIT, PRESETS, RATES, WIDTHS, choose

WHOLE_ALICE = 148_480


def test_the_defaults_are_those_for_alice() -> None:
    """At effort 1 on Alice the law gives what the settings themselves default to."""
    model, train = choose(WHOLE_ALICE, 72)
    assert model == ModelConfig(vocab_size=72)
    names = (
        "epochs",
        "batch_size",
        "bptt",
        "learning_rate",
        "weight_decay",
        "dropout",
        "weight_drop",
        "output_dropout",
        "input_dropout",
    )
    for name in names:
        assert getattr(train, name) == pytest.approx(getattr(TrainConfig(), name), rel=1e-3)


def test_more_effort_means_more_passes_width_and_dropout() -> None:
    """From quick to best nothing gets smaller."""
    quick, default, best = (choose(WHOLE_ALICE, 72, preset=preset) for preset in PRESETS)
    for (model, train), (larger, longer) in ((quick, default), (default, best)):
        assert model.hidden_size <= larger.hidden_size
        assert train.epochs < longer.epochs
        assert train.dropout <= longer.dropout
        assert train.learning_rate >= longer.learning_rate
    assert [*RATES] == [width for _, width in WIDTHS]


def test_the_wider_a_network_the_smaller_its_steps() -> None:
    """The learning rate goes with one over the width, from that of the effort's; very narrow ones share one."""
    rates = {size: choose(WHOLE_ALICE, 72, hidden_size=size)[1].learning_rate for size in (8, 64, 192, 384, 768, 1536)}
    assert rates[384] == TrainConfig.learning_rate
    assert rates[384] == pytest.approx(2 * rates[768]) == pytest.approx(4 * rates[1536])
    assert rates[8] == rates[64] == pytest.approx(3 * rates[192]) == pytest.approx(6 * rates[384])


@pytest.mark.parametrize("cell", sorted(name for name, cell in CELLS.items() if cell.most_learning_rate < math.inf))
def test_other_cells_than_the_lstm_take_gentler_steps(cell: str) -> None:
    """What an LSTM learns fastest with makes them forget."""
    assert choose(WHOLE_ALICE, 72, cell=cell)[1].learning_rate < choose(WHOLE_ALICE, 72)[1].learning_rate


def test_a_longer_text_is_passed_over_less_often() -> None:
    """Ten times the text is a sixth of the passes, and needs less dropout and weight decay."""
    _, alice = choose(WHOLE_ALICE, 72)
    _, long = choose(10 * WHOLE_ALICE, 72)
    assert long.epochs == pytest.approx(alice.epochs / 10**0.8)
    assert long.weight_drop < alice.weight_drop
    assert long.weight_decay < alice.weight_decay


def test_dropout_follows_the_passes_that_are_asked_for() -> None:
    """A few passes leave little to learn by heart, many leave much."""
    few, some, many = (choose(WHOLE_ALICE, 72, epochs=epochs)[1] for epochs in (3, TrainConfig.epochs, 40))
    for name in ("weight_drop", "output_dropout", "input_dropout"):
        assert getattr(few, name) < getattr(some, name) < getattr(many, name)
    assert few.dropout == some.dropout == 0 < many.dropout
    steps = round(3 * ALICE / (TrainConfig.batch_size * TrainConfig.bptt))
    assert choose(WHOLE_ALICE, 72, steps=steps)[1].weight_drop == pytest.approx(few.weight_drop, abs=0.01)


def test_dropout_follows_what_a_time_budget_allows_a_given_width() -> None:
    """The passes that are reckoned with are those of the network that will be trained."""
    narrow, wide = (
        choose(WHOLE_ALICE, 72, minutes=5, hidden_size=size, speed=lambda model, _: 2e10 / model.parameters)[1]
        for size in (256, 1024)
    )
    assert narrow.epochs > 10 * wide.epochs
    assert narrow.dropout > wide.dropout


@pytest.mark.parametrize("fine_tuning", [False, True])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_narrower_network_takes_less_dropout_and_larger_steps(preset: str, fine_tuning: bool) -> None:
    """It learns less by heart; of many more passes than the best preset's it is not given more dropout either."""
    networks = [
        choose(WHOLE_ALICE, 72, preset=preset, fine_tuning=fine_tuning, hidden_size=size)[1] for size in (256, 128, 64)
    ]
    for wide, narrow in itertools.pairwise(networks):
        for rate in ("dropout", "weight_drop", "output_dropout", "input_dropout"):
            assert getattr(narrow, rate) <= getattr(wide, rate)
        assert narrow.output_dropout < wide.output_dropout or narrow.output_dropout < 0.1
        assert narrow.learning_rate > wide.learning_rate
    many, more = (choose(WHOLE_ALICE, 72, hidden_size=64, epochs=epochs)[1] for epochs in (72, 500))
    assert many.weight_drop == more.weight_drop


def test_fine_tuning_a_plain_rnn_takes_gentler_steps() -> None:
    """As a training from nothing does."""
    lstm, rnn = (choose(WHOLE_ALICE, 72, fine_tuning=True, hidden_size=512, cell=cell)[1] for cell in ("lstm", "rnn"))
    assert rnn.learning_rate < lstm.learning_rate


@pytest.mark.parametrize("characters", [2, 200, 20_000, 10**6, 10**9, 10**12])
def test_every_length_has_valid_settings(characters: int) -> None:
    """From two characters to a terabyte, every preset gives settings that are in their ranges."""
    for preset in PRESETS:
        choose(characters, 50, preset=preset)


def test_large_texts_hold_out_no_more_than_is_needed() -> None:
    """Validation and test stay at a fixed number of characters, unless other shares are asked for."""
    _, train = choose(10**9, 50)
    assert train.val_fraction * 10**9 == pytest.approx(LARGE_SPLIT)
    _, train = choose(10**9, 50, val_fraction=0.1)
    assert train.val_fraction == 0.1


def test_what_is_asked_for_rules() -> None:
    """A setting that is given is taken as it is."""
    model, train = choose(WHOLE_ALICE, 72, preset="best", hidden_size=7, dropout=0.0, epochs=1)
    assert (model.hidden_size, train.dropout, train.epochs) == (7, 0.0, 1)


@pytest.mark.parametrize("minutes", [0.5, 2.0, 10.0, 60.0])
def test_minutes_are_spent(minutes: float) -> None:
    """With a time budget the passes take no more than that at this speed, and not much less."""

    def speed(model: ModelConfig, train: TrainConfig) -> float:
        return 5e10 / model.parameters

    model, train = choose(WHOLE_ALICE, 72, minutes=minutes, speed=speed)
    assert 0.6 < train.epochs * ALICE / speed(model, train) / (minutes * 60) < 1.05


def test_more_minutes_buy_a_wider_network() -> None:
    """A minute trains a narrow network, an hour a wide one."""
    widths = [
        choose(WHOLE_ALICE, 72, minutes=minutes, speed=lambda *_: 25_000.0)[0].hidden_size for minutes in (0.5, 4, 60)
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_a_bidirectional_network_sees_longer_windows() -> None:
    """Both sides of a character need room within a window."""
    _, train = choose(WHOLE_ALICE, 72, bidirectional=True)
    assert train.bptt > TrainConfig().bptt


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"preset": "huge"}, "preset must be one of quick, default, best, not 'huge'"),
        ({"hiden_size": 3}, "unknown setting 'hiden_size'"),
        ({"minutes": 1, "steps": 5}, "give one"),
        ({"epochs": -1}, "epochs must be a number above 0"),
        ({"epochs": "many"}, "epochs must be a number"),
    ],
)
def test_refusals(wanted: dict[str, object], message: str) -> None:
    """An unknown preset or setting, and two lengths at once, are refused."""
    with pytest.raises(ConfigError, match=message):
        choose(WHOLE_ALICE, 72, **wanted)  # type: ignore[arg-type]


def test_fine_tuning_takes_fewer_passes_and_smaller_steps() -> None:
    """Half the default's passes over Alice; the less text, the smaller the steps; more passes bring more dropout.

    A long text, passed over once or twice, is learnt in larger steps with hardly any; another language in larger steps.
    A tiny one has dropout between the layers as well. Columns are few and windows long.
    """
    _, nothing = choose(148_480, 72, hidden_size=512)
    _, alice = choose(148_480, 72, fine_tuning=True, hidden_size=512)
    _, short = choose(20_000, 72, fine_tuning=True, hidden_size=512)
    _, best = choose(148_480, 72, fine_tuning=True, preset="best", hidden_size=512)
    _, long = choose(1_000_000, 72, fine_tuning=True, hidden_size=512)
    assert alice.epochs == pytest.approx(8)
    assert alice.learning_rate == pytest.approx(0.0011)
    assert (alice.batch_size, alice.bptt) == (16, 128)
    assert (short.batch_size, long.batch_size) == (8, 32)
    assert alice.learning_rate < nothing.learning_rate
    assert short.learning_rate < alice.learning_rate
    _, alone = choose(20_000, 72, hidden_size=512)
    assert alice.epochs < short.epochs < alone.epochs
    assert best.epochs == pytest.approx(17, abs=0.1)
    assert best.output_dropout == pytest.approx(0.36, abs=0.01)
    assert best.learning_rate < alice.learning_rate < long.learning_rate
    _, strange = choose(148_480, 72, fine_tuning=True, familiar=False, hidden_size=512)
    assert alice.learning_rate < strange.learning_rate
    assert (long.weight_drop, long.epochs < 2) == (0.0, True)
    _, tiny = choose(5_000, 72, fine_tuning=True, hidden_size=512)
    assert tiny.dropout > short.dropout == alice.dropout == 0
    assert tiny.epochs > short.epochs


def test_time_rules_over_fine_tuning_too() -> None:
    """Twice the minutes are twice the passes."""

    def passes(minutes: float) -> float:
        _, train = choose(
            1_000_000, 72, fine_tuning=True, speed=lambda _model, _train: 20_000.0, hidden_size=512, minutes=minutes
        )
        return train.epochs

    assert passes(2) == pytest.approx(2 * passes(1))
