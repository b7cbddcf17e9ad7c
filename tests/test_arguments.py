"""The arguments of the library's functions: named for people, editors and type checkers alike."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import checkpoint

import chargen
from chargen.config import BUDGET, ON_RESUME, AdaptConfig, InfillConfig, ModelConfig, SamplerConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.model import Model


def test_a_running_python_names_every_setting_too() -> None:
    """What ``help`` shows and a notebook completes: the keywords written out, then each setting with its type."""
    names = set(inspect.signature(chargen.train).parameters)
    assert names >= {"sources", "run", "encoding", "stop", "on_event"}
    assert names >= {*ModelConfig.settings(), *TrainConfig.settings()} - {"vocab_size"}
    assert "vocab_size" not in names
    assert inspect.signature(chargen.train).parameters["hidden_size"].annotation is int
    resumed = set(inspect.signature(chargen.resume).parameters)
    assert resumed >= ON_RESUME | {*BUDGET}
    assert "hidden_size" not in resumed
    sampled = set(inspect.signature(Model.sample).parameters)
    assert sampled >= {"prompt", "length", "seed", "stop", "temperature", "penalty_window"}
    assert "num_samples" not in sampled
    assert set(inspect.signature(Model.pieces).parameters) == {*sampled, "num_samples"}
    scored = set(inspect.signature(Model.score).parameters)
    assert scored >= {"text", "adapt", "remember", "others", *AdaptConfig.settings()}
    assert set(inspect.signature(Model.scorer).parameters) == scored - {"text"}
    assert set(inspect.signature(Model.infill).parameters) >= {"text", "blank", *InfillConfig.settings()}
    assert set(inspect.signature(Model.pieces).parameters) >= SamplerConfig.settings().keys()


def test_a_setting_is_one_line(tmp_path: Path) -> None:
    """Declared in a copy of the package, it is in help and signature, checkpoint and what ``inspect`` shows."""
    shutil.copytree(Path(chargen.__file__).parent, tmp_path / "chargen", ignore=shutil.ignore_patterns("__pycache__"))
    config = tmp_path / "chargen" / "config.py"
    first, last = config.read_text(encoding="utf-8").split("    threads: int = setting(")
    line = '    fervour: float = setting(0.5, "How eagerly to learn.", 0, 1)\n'
    config.write_text(f"{first}{line}    threads: int = setting({last}", encoding="utf-8")
    (tmp_path / "text.txt").write_text("How doth the little crocodile. " * 40, encoding="utf-8")
    script = """
import inspect, sys
import chargen
from chargen.cli.main import app
print(inspect.signature(chargen.train).parameters["fervour"])
small = {"hidden_size": 4, "steps": 2, "batch_size": 2, "bptt": 4, "device": "cpu", "threads": 1}
best = chargen.train("text.txt", root="runs", fervour=0.25, **small).best
print(chargen.load(best).checkpoint.train.fervour)
app(["inspect", str(best)], standalone_mode=False)
app(["train", "--help"], standalone_mode=False)
"""
    shown = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert shown.startswith("fervour: float = 0.5\n0.25\n")
    assert re.search(r"fervour +0\.25", shown)
    assert re.search(r"--fervour +0\.\.1 +How eagerly to learn", shown)


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
        chargen.resume("mine", theads=1)  # type: ignore[arg-type]
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
    with pytest.raises(ConfigError, match=r"'contxt' \(did you mean context\?\)"):
        some_model.held_out("val", contxt=1)  # type: ignore[call-arg]


def test_a_type_checker_refuses_values_of_another_type(some_model: Model) -> None:
    """And so does a running Python."""
    with pytest.raises(ConfigError, match="hidden-size must be a whole number"):
        chargen.train("alice", hidden_size="wide")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="temperature must be a number"):
        some_model.sample("a", temperature="hot")  # type: ignore[arg-type]


UNTYPED: Any = chargen


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: UNTYPED.train(5), "sources[0] must be a string or a path, not 5"),
        (lambda _: UNTYPED.train("alice", run=5), "run must be a string or None, not 5"),
        (lambda _: UNTYPED.train("alice", lines="yes"), "lines must be true or false, not 'yes'"),
        (lambda _: UNTYPED.train("alice", on_event=5), "on_event must be a function or None, not 5"),
        (lambda _: UNTYPED.resume(None), "run must be a string or a path, not None"),
        (lambda _: UNTYPED.resume("a", "b", 5), "sources[1] must be a string or a path, not 5"),
        (lambda _: UNTYPED.resume("a", steps="x"), "steps must be a whole number or None, not 'x'"),
        (lambda _: UNTYPED.load(5), "where must be a string, a path or None, not 5"),
        (lambda _: UNTYPED.classify("a", "alice"), "models must be a list, not 'alice'"),
        (lambda model: UNTYPED.classify([5], [model] * 2), "texts[0] must be a string, not 5"),
        (lambda model: UNTYPED.classify("a", [model, 5]), "models[1] must be Model, a string or a path, not 5"),
        (lambda model: model.sample(prompt=3), "prompt must be a string or Fitted, not 3"),
        (lambda model: model.sample(length="ten"), "length must be a whole number, not 'ten'"),
        (lambda model: model.sample(length=True), "length must be a whole number, not True"),
        (lambda model: model.sample(stop=["a", 5]), "stop[1] must be a string, not 5"),
        (lambda model: model.sample(state=5), "state must be Ending, an array or None, not 5"),
        (lambda model: model.pieces(3), "prompt must be a string, Fitted or a list, not 3"),
        (lambda model: model.score(b"a"), "text must be a string, not b'a'"),
        (lambda model: model.score("a", others=["a"]), "others[0] must be Model, not 'a'"),
        (lambda model: model.infill("a_", length="x"), "length must be a whole number, range or None, not 'x'"),
        (lambda model: model.held_out("val", sources="a"), "sources must be a list, not 'a'"),
        (lambda model: model.encode(5), "text must be a string or a list, not 5"),
        (lambda model: model.load_state(5), "path must be a string or a path, not 5"),
        (lambda model: model.as_read(5), "text must be a string, not 5"),
    ],
)
def test_an_argument_of_another_type_is_told_by_name(call: Any, message: str, some_model: Model) -> None:
    """With what it is and what is expected, before anything is done."""
    with pytest.raises(ConfigError) as told:
        call(some_model)
    assert str(told.value) == message


def test_what_looks_like_the_right_type_is_taken(some_model: Model) -> None:
    """Any number of NumPy's, an array or a set of texts, any path; a value that is refused is told in short."""
    assert some_model.encode(np.array(["a", "b"]), layer=np.int64(0)).shape == (2, 4)  # type: ignore[arg-type]
    assert some_model.sample("a", stop={"b"}, seed=np.int32(1)) == some_model.sample("a", stop="b", seed=1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"text must be a string, not \[1, 1, 1, 1, 1, 1, \.\.\.\]"):
        some_model.score([1] * 1000)  # type: ignore[arg-type]


def test_what_cannot_change_is_told_as_such() -> None:
    """Going on with a run, a setting of its training is known, though it is not taken."""
    with pytest.raises(
        ConfigError,
        match=r"^hidden_size cannot change when a run goes on; start a new run, from this one with init_from$",
    ):
        chargen.resume("mine", hidden_size=3)  # type: ignore[arg-type]


def test_numbers_of_numpy_serve_as_numbers(tmp_path: Path) -> None:
    """A seed, a length or a temperature out of an array is taken as Python's own."""
    model = Model(checkpoint(), tmp_path / "model")
    numbers: dict[str, Any] = {"length": np.int64(9), "seed": np.int32(2), "temperature": np.float32(0.5)}
    assert model.sample("a", **numbers) == model.sample("a", length=9, seed=2, temperature=0.5)
