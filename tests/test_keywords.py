"""The keywords of the library's functions: named for people, editors and type checkers alike."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from samples import checkpoint

import chargen
from chargen import keywords, model
from chargen.config import ON_RESUME, AdaptConfig, InfillConfig, ModelConfig, SamplerConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.model import Model
from chargen.setting import Config, setting
from chargen.store import heldout


def kinds(config: type[Config]) -> dict[str, type]:
    """The types of the settings that have a default."""
    return {name: setting.kind for name, setting in config.settings().items() if hasattr(config, name)}


@pytest.mark.parametrize(
    ("listed", "settings"),
    [
        (keywords.TrainKeywords, kinds(ModelConfig) | kinds(TrainConfig)),
        (keywords.ResumeKeywords, {name: kind for name, kind in kinds(TrainConfig).items() if name in ON_RESUME}),
        (keywords.SamplerKeywords, kinds(SamplerConfig)),
        (keywords.AdaptKeywords, kinds(AdaptConfig)),
        (keywords.InfillKeywords, kinds(InfillConfig)),
    ],
)
def test_what_type_checkers_know_is_what_there_is(listed: type, settings: Mapping[str, type]) -> None:
    """Each setting stands in its class with its type, and nothing else: where this fails, add or change that line."""
    assert get_type_hints(listed) == settings


@pytest.mark.parametrize(
    ("listed", "function", "own"),
    [
        (model.SampleKeywords, Model.pieces, {"num_samples"}),
        (model.ScoreKeywords, Model.scorer, set()),
        (keywords.HeldOutKeywords, heldout.held_out, set()),
    ],
)
def test_what_is_passed_on_is_what_the_other_takes(listed: type, function: Callable[..., Any], own: set[str]) -> None:
    """The keywords of ``sample`` and ``stream`` are those of ``pieces``, those of ``score`` are ``scorer``'s."""
    parameters = inspect.signature(function).parameters.values()
    taken = {one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}
    assert set(get_type_hints(listed)) == taken - own


def test_a_running_python_names_every_setting_too() -> None:
    """What ``help`` shows and a notebook completes: the keywords written out, then each setting with its type."""
    names = set(inspect.signature(chargen.train).parameters)
    assert names >= {"sources", "run", "encoding", "stop", "on_event"} | kinds(ModelConfig).keys()
    assert names >= kinds(TrainConfig).keys()
    assert inspect.signature(chargen.train).parameters["hidden_size"].annotation is int
    resumed = set(inspect.signature(chargen.resume).parameters)
    assert resumed >= ON_RESUME
    assert "hidden_size" not in resumed
    sampled = set(inspect.signature(Model.sample).parameters)
    assert sampled >= {"prompt", "length", "seed", "stop", "temperature", "penalty_window"}
    assert "num_samples" not in sampled


@dataclass(frozen=True, kw_only=True)
class Made(Config):
    """Settings of no one."""

    size: int = setting(4, "Some size.", 1, 9)


def test_a_new_setting_is_named_at_once() -> None:
    """The signature follows from the line that declares it."""

    @keywords.named(Made)
    def taking(text: str, **settings: Any) -> dict[str, Any]:
        return {"text": text, **settings}

    size = inspect.signature(taking).parameters["size"]
    assert (size.kind, size.annotation) == (inspect.Parameter.KEYWORD_ONLY, int)
    assert taking("a", size=3) == {"text": "a", "size": 3}
    with pytest.raises(ConfigError, match=r"unknown setting 'siz' \(did you mean size\?\)"):
        taking("a", siz=3)


@pytest.fixture
def some_model() -> Model:
    """A model of random weights."""
    return Model(checkpoint(), Path("some"))


def test_a_misspelt_keyword_is_told_with_the_nearest(some_model: Model) -> None:
    """By every function, before anything is done; a type checker refuses each of these lines as well."""
    with pytest.raises(ConfigError, match=r"unknown setting 'hiden_size' \(did you mean hidden_size\?\)"):
        chargen.train("alice", hiden_size=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"'overwrit' \(did you mean overwrite\?\)"):
        chargen.train("alice", overwrit=True)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"'theads' \(did you mean threads\?\)"):
        chargen.resume("mine", theads=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"'temprature' \(did you mean temperature\?\)"):
        some_model.sample("a", temprature=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"'lenght' \(did you mean length\?\)"):
        some_model.stream("a", lenght=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"'num_sample' \(did you mean num_samples\?\)"):
        some_model.pieces("a", num_sample=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"'adapt_rat' \(did you mean adapt_rate\?\)"):
        some_model.score("a", adapt_rat=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"'rember' \(did you mean remember\?\)"):
        some_model.scorer(rember=True)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"'adapt_evry' \(did you mean adapt_every\?\)"):
        some_model.adapted("a", adapt_evry=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"'chain' \(did you mean chains\?\)"):
        some_model.infill("a_b", chain=1)  # type: ignore[call-arg]


def test_a_type_checker_refuses_values_of_another_type(some_model: Model) -> None:
    """And so does a running Python."""
    with pytest.raises(ConfigError, match="hidden-size must be a whole number"):
        chargen.train("alice", hidden_size="wide")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="temperature must be a number"):
        some_model.sample("a", temperature="hot")  # type: ignore[arg-type]


def test_what_cannot_change_is_told_as_such() -> None:
    """Going on with a run, a setting of its training is known, though it is not taken."""
    with pytest.raises(ConfigError, match="--hidden-size cannot change when a run goes on"):
        chargen.resume("mine", hidden_size=3)  # type: ignore[call-arg]
