"""Settings: valid from the moment they exist, written and read back as they were."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CELLS, ModelConfig, SamplerConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.schema import document, record
from chargen.setting import Config

NUMBERS: list[tuple[type[Config], str]] = [
    (kind, field.name)
    for kind in (ModelConfig, TrainConfig, SamplerConfig)
    for field in dataclasses.fields(kind)
    if field.type in (int, float)
]
REQUIRED: dict[type[Config], dict[str, object]] = {ModelConfig: {"vocab_size": 5}}


def make(kind: type[Config], **values: object) -> Config:
    """Settings with the values, and what else they need."""
    return kind(**{**REQUIRED.get(kind, {}), **values})


@pytest.mark.parametrize("kind", [ModelConfig, TrainConfig, SamplerConfig])
def test_settings_are_read_as_they_were_written(kind: type[Config]) -> None:
    """What a document keeps, a record has; a missing key takes its default, a frozen one cannot change."""
    settings = make(kind)
    assert record(kind, document(settings)) == settings
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.seed = 1  # type: ignore[attr-defined]  # on purpose


def test_unknown_and_missing_keys_are_named() -> None:
    """A key that no setting has, or one that must be there, is an error with its name."""
    with pytest.raises(ValueError, match=r"its ModelConfig lacks or adds \['heads', 'width'\]"):
        record(ModelConfig, {"vocab_size": 5, "width": 1, "heads": 2})
    with pytest.raises(ValueError, match=r"its ModelConfig lacks or adds \['vocab_size'\]"):
        record(ModelConfig, {})


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, -math.inf, 10**400, True, "3", None, [1]], ids=str)
def test_no_number_is_taken_that_makes_no_sense(kind: type[Config], name: str, value: object) -> None:
    """Negative, infinite, enormous or not a number: an error that names the setting."""
    with pytest.raises(ConfigError, match=f"^{name.replace('_', '-')} must be "):
        make(kind, **{name: value})


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (ModelConfig, {"hidden_size": 0}, "hidden-size must be a whole number from 1 to 65,536, not 0"),
        (ModelConfig, {"hidden_size": 1.5}, "hidden-size must be a whole number, not 1.5"),
        (ModelConfig, {"vocab_size": 1}, "vocab-size must be"),
        (ModelConfig, {"cell": "LSTM"}, f"cell must be one of {', '.join(CELLS)}, not 'LSTM'"),
        (ModelConfig, {"cell": ["lstm"]}, "cell must be one of"),
        (ModelConfig, {"skip": 1}, "skip must be true or false, not 1"),
        (TrainConfig, {"learning_rate": 0}, "learning-rate must be a number above 0 and at most 100, not 0"),
        (TrainConfig, {"dropout": 1.0}, "dropout must be a number from 0 to 0.95, not 1.0"),
        (TrainConfig, {"device": "gpu"}, "device must be one of auto, cpu, cuda, mps, not 'gpu'"),
        (TrainConfig, {"val_fraction": 0.5, "test_fraction": 0.45}, "leave less than a tenth"),
        (SamplerConfig, {"top_p": 0}, "top-p must be a number above 0 and at most 1, not 0"),
        (SamplerConfig, {"temperature": math.nan}, "temperature must be a number from 0 to 100, not nan"),
    ],
)
def test_a_setting_out_of_its_range_is_explained(kind: type[Config], values: dict[str, object], words: str) -> None:
    """The message has the setting's name, what it may be, and what it was."""
    with pytest.raises(ConfigError) as caught:
        make(kind, **values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cell", CELLS)
def test_the_weights_of_a_network(cell: str) -> None:
    """The shapes of a 2-layer network with skip connections are those of its drawing."""
    config = ModelConfig(vocab_size=7, cell=cell, num_layers=2, hidden_size=5, embedding_size=3)
    gates, peepholes = 5 * len(CELLS[cell].gates), len(CELLS[cell].peepholes)
    expected = {
        "embedding.weight": (7, 3),
        "layers.0.weight_ih": (gates, 3),
        "layers.0.weight_hh": (gates, 5),
        "layers.0.bias_ih": (gates,),
        "layers.0.bias_hh": (gates,),
        "layers.1.weight_ih": (gates, 5 + 3),
        "layers.1.weight_hh": (gates, 5),
        "layers.1.bias_ih": (gates,),
        "layers.1.bias_hh": (gates,),
        "readout.weight": (7, 10),
        "readout.bias": (7,),
    }
    if peepholes:
        expected |= {"layers.0.weight_peephole": (peepholes, 5), "layers.1.weight_peephole": (peepholes, 5)}
    assert config.weight_shapes() == expected
    assert config.parameters == sum(math.prod(shape) for shape in expected.values())
    assert config.state_parts == CELLS[cell].state_parts


@pytest.mark.parametrize(
    ("cell", "gates", "state_parts", "peepholes"),
    [("lstm", "ifgo", 2, ""), ("gru", "rzn", 1, ""), ("rnn", "h", 1, ""), ("peephole", "ifgo", 2, "ifo")],
)
def test_the_order_of_the_gates_is_that_of_files(cell: str, gates: str, state_parts: int, peepholes: str) -> None:
    """And PyTorch's: weights that were saved keep their meaning."""
    row = CELLS[cell]
    assert ("".join(row.gates), row.state_parts, "".join(row.peepholes)) == (gates, state_parts, peepholes)


@given(
    st.builds(
        ModelConfig,
        vocab_size=st.integers(2, 9),
        cell=st.sampled_from([*CELLS]),
        num_layers=st.integers(1, 4),
        hidden_size=st.integers(1, 9),
        embedding_size=st.integers(1, 9),
        one_hot=st.booleans(),
        skip=st.booleans(),
        bidirectional=st.booleans(),
    )
)
def test_shapes_fit_each_other(config: ModelConfig) -> None:
    """Each layer takes what the one below and, with skip connections, the input hand it, and so does the read-out."""
    shapes = config.weight_shapes()
    assert ("embedding.weight" in shapes) is not config.one_hot
    width = config.vocab_size if config.one_hot else config.embedding_size
    for prefix in ("", "backward.") if config.bidirectional else ("",):
        for layer in range(config.num_layers):
            below = width if layer == 0 else config.hidden_size + (width if config.skip else 0)
            assert shapes[f"{prefix}layers.{layer}.weight_ih"][1] == below
    seen = config.hidden_size * (config.num_layers if config.skip else 1)
    assert shapes["readout.weight"] == (config.vocab_size, seen)
    assert shapes.get("joint.weight") == ((config.vocab_size, 2 * seen) if config.bidirectional else None)
