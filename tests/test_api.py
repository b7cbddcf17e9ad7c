"""The library: what it offers, that it costs nothing to import, and that it does what the commands do."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import NoneType

import numpy as np
import pytest
import tiny
import torch
from samples import checkpoint, resume_of

import chargen
from chargen.errors import CheckpointError, ConfigError, CorpusError, RunError, TextError
from chargen.inference.mixture import NGRAM, Mixture
from chargen.model import Model
from chargen.store.checkpoint import load, save
from chargen.training import start
from chargen.training.events import Evaluated, Event, Finished, Started, Stepped

PUBLIC = [
    "ChargenError",
    "CheckpointError",
    "ConfigError",
    "CorpusError",
    "Model",
    "RunError",
    "TextError",
    "TrainingError",
    "classify",
    "load",
    "resume",
    "train",
]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A model of random weights."""
    save(tmp_path / "model.safetensors", checkpoint(hidden_size=16))
    return chargen.load(tmp_path / "model.safetensors")


def test_the_public_names_are_pinned() -> None:
    """What users may build on: adding a name is a decision, removing one breaks them."""
    assert chargen.__all__ == sorted(PUBLIC) == PUBLIC
    assert set(PUBLIC) <= set(dir(chargen))
    assert all(getattr(chargen, name).__doc__ for name in PUBLIC)
    with pytest.raises(AttributeError, match="no attribute 'sing'"):
        chargen.sing  # noqa: B018  # the access itself is tested


def test_errors_are_one_tree() -> None:
    """Catching the base catches all of them."""
    errors = [getattr(chargen, name) for name in PUBLIC if name.endswith("Error")]
    assert all(issubclass(error, chargen.ChargenError) for error in errors)


def test_names_are_imported_when_used() -> None:
    """Importing the package loads nothing of it; loading a model loads NumPy and no torch."""
    script = """
import sys, chargen
assert not [name for name in sys.modules if name.startswith("chargen.")], "the package loads its modules"
assert "numpy" not in sys.modules
chargen.load
assert "numpy" in sys.modules
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_model_writes_the_same_text_in_every_way(model: Model) -> None:
    """Whole, streamed, or as one of several samples: the same seed gives the same text."""
    text = model.sample("ab", length=80, seed=5, temperature=1.2)
    assert len(text) == 80
    assert "".join(model.stream("ab", length=80, seed=5, temperature=1.2)) == text
    for num_samples in (1, 2, 7):
        pieces = model.pieces("ab", length=80, seed=3, num_samples=num_samples, temperature=1.2)
        texts = [""] * num_samples
        for piece in pieces:
            texts[piece.sample] += piece.text
        assert texts == [model.sample("ab", length=80, seed=3 + at, temperature=1.2) for at in range(num_samples)]


def test_without_a_seed_each_text_is_another(model: Model) -> None:
    """A seed is drawn when none is given."""
    assert len({model.sample(length=40) for _ in range(3)}) == 3


def test_a_bare_string_ends_a_text(model: Model) -> None:
    """``stop`` takes one string as it takes several: as a whole, not letter by letter."""
    text = model.sample("ab", length=80, seed=5)
    end = text[30:33]
    assert model.sample("ab", length=80, seed=5, stop=end) == text[: text.index(end)]


def test_one_text_is_all_that_sample_and_stream_give(model: Model) -> None:
    """Asked for several they refuse, before anything is written, rather than drop all but one."""
    for method in (model.sample, model.stream):
        with pytest.raises(ConfigError, match="pieces writes several"):
            method("ab", num_samples=3)  # type: ignore[call-arg]  # which a type checker refuses as well


def test_a_prompt_is_fitted_to_the_vocabulary(model: Model) -> None:
    """An unknown character is read as a known one, or refused with strict."""
    assert model.sample("AB", length=20, seed=1) == model.sample("ab", length=20, seed=1)
    with pytest.raises(TextError, match="not in the model's vocabulary"):
        model.sample("AB", length=20, strict=True)


def test_settings_are_checked(model: Model) -> None:
    """A setting that no sampler has, or out of its range, is a ConfigError."""
    for wrong in ({"temperature": -1.0}, {"top_p": 0}, {"heads": 3}, {"length": -1}):
        with pytest.raises(ConfigError):
            model.sample("ab", **wrong)


def test_a_model_scores_text(model: Model) -> None:
    """Bits for each character; an empty text has none to score."""
    scored = model.score("abcd")
    assert scored.bits.shape == (4,)
    assert (scored.bits > 0).all()
    with pytest.raises(TextError):
        model.score("")
    with pytest.raises(ConfigError, match=r"unknown setting 'adpat' \(did you mean adapt\?\)"):
        model.score("abcd", adpat=True)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="adapt_rate without adapt=True would change nothing"):
        model.score("abcd", adapt_rate=0.1)


def test_what_stands_before_a_text_is_read_first(model: Model) -> None:
    """By the network as if it had been fed, with and without adaptation, and by the memory, with what is earlier."""
    before, text = "bad cab " * 4, "a dab"
    for adapt in (False, True):
        fed = model.scorer(adapt=adapt)
        fed.feed(before)
        read: list[int] = []
        scorer = model.scorer(adapt=adapt, before=before, progress=read.append)
        assert sum(read) == len(before)
        assert scorer.feed(text).total == pytest.approx(fed.feed(text).total, abs=1e-3)
    bits = {
        earlier: model.scorer(remember=True, before=before, earlier=earlier).feed(text).total
        for earlier in ("", "a dab, " * 9)
    }
    assert bits["a dab, " * 9] < bits[""] < model.scorer(before=before).feed(text).total


def test_how_much_a_memory_counts_is_learnt_from_the_text_alone(model: Model) -> None:
    """What stands before it may be what the network was trained on, and more is no reason to trust it more."""
    scorer = model.scorer(remember=True, before="bad cab " * 400)
    predictor = scorer.predictor
    assert isinstance(predictor, Mixture)
    start = predictor._weights.copy()
    np.testing.assert_array_equal(start, (1 - NGRAM, NGRAM))
    scorer.feed("a dab")
    assert (predictor._weights != start).any()


def test_loading_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The error is one of chargen's."""
    with pytest.raises(CheckpointError, match="there is no checkpoint or run"):
        chargen.load(tmp_path / "nothing")


def test_a_damaged_best_names_the_last_that_works(tmp_path: Path) -> None:
    """The error for a run tells of the checkpoint beside it, if that can be used."""
    (tmp_path / "best.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError) as alone:
        chargen.load(tmp_path)
    assert "can be used" not in str(alone.value)
    save(tmp_path / "last.safetensors", checkpoint())
    with pytest.raises(CheckpointError, match=r"; .*last\.safetensors can be used$"):
        chargen.load(tmp_path)


def test_a_path_is_never_a_built_in(text_file: Path, folder: Path) -> None:
    """``Path("alice")`` is the file of that name, and runs go where a string says."""
    (folder / "alice").write_bytes(text_file.read_bytes())
    result = chargen.train(Path("alice"), root="out", run="a", **tiny.SETTINGS)
    assert result.best == Path("out/a/best.safetensors")
    assert load(result.best).corpus.characters == 5000


def test_training_returns_where_the_model_is(text_file: Path, tmp_path: Path) -> None:
    """The library trains as the command does, tells of it, goes on, and loads the result."""
    seen: list[Event] = []
    result = chargen.train(text_file, root=tmp_path, run="a", on_event=seen.append, **tiny.SETTINGS)
    assert isinstance(seen[0], Started)
    assert isinstance(seen[-1], Finished)
    assert any(isinstance(event, Evaluated) for event in seen)
    assert result == seen[-1]
    assert result.best == tmp_path / "a" / "best.safetensors"
    assert len(chargen.load(result.best).sample("Alice", length=10)) == 10
    again = chargen.resume("a", root=tmp_path)
    assert again.val_bpc == result.val_bpc == load(result.best).val_bpc


class BrokenError(Exception):
    """What goes wrong in a caller's own code."""


def test_what_goes_wrong_in_a_callback_leaves_a_run_that_goes_on(text_file: Path, tmp_path: Path) -> None:
    """Everything is saved, the folder is free, and torch has its threads; going on ends where it would have come."""
    whole = chargen.train(text_file, root=tmp_path, run="whole", **tiny.SETTINGS)
    threads = torch.get_num_threads()
    for wrong in (Started, Stepped, Evaluated):

        def failing(event: Event, wrong: type = wrong) -> None:
            if isinstance(event, wrong):
                raise BrokenError

        run = wrong.__name__
        settings = {**tiny.SETTINGS, "steps": 15, "eval_every": 12}
        with pytest.raises(BrokenError):
            chargen.train(text_file, root=tmp_path, run=run, on_event=failing, **settings)
        assert torch.get_num_threads() == threads
        assert resume_of(tmp_path / run / "last.safetensors").step == {Started: 0, Stepped: 10, Evaluated: 12}[wrong]
        assert chargen.resume(run, root=tmp_path).step == 15
    assert whole.step == 6


def test_a_training_stops_when_it_is_asked_to(text_file: Path, tmp_path: Path) -> None:
    """With everything saved, to go on from."""
    asked = itertools.count()
    stopped = chargen.train(text_file, root=tmp_path, run="a", stop=lambda: next(asked) == 3, **tiny.SETTINGS)
    assert (stopped.step, stopped.reason) == (3, "interrupted")
    finished = chargen.resume(tmp_path / "a")
    assert (finished.step, finished.reason) == (6, None)


def test_ctrl_c_saves_before_it_is_raised(text_file: Path, tmp_path: Path) -> None:
    """As in the command line; a second one breaks off at once. Afterwards Ctrl-C is what it was."""

    def interrupt(event: Event) -> None:
        if isinstance(event, Started):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        chargen.train(text_file, root=tmp_path, run="a", on_event=interrupt, **tiny.SETTINGS)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert resume_of(tmp_path / "a" / "last.safetensors").step == 0

    def impatient(event: Event) -> None:
        interrupt(event)
        interrupt(event)

    with pytest.raises(KeyboardInterrupt):
        chargen.resume("a", root=tmp_path, on_event=impatient)
    assert chargen.resume("a", root=tmp_path).step == 6


def test_a_run_goes_on_with_a_text_that_moved(text_file: Path, text: str, tmp_path: Path) -> None:
    """It is named as in ``train``, with what is new about it."""
    file = tmp_path / "here.txt"
    file.write_text(text, encoding="utf-8")
    chargen.train(file, root=tmp_path, run="a", stop=lambda: True, **tiny.SETTINGS)
    file.unlink()
    (tmp_path / "there.txt").write_text(text, encoding="utf-16")
    assert chargen.resume("a", tmp_path / "there.txt", root=tmp_path, encoding="utf-16").step == 6


def test_a_model_fills_gaps_in() -> None:
    """As the command does: each blank a character, or one blank of several lengths."""
    both = Model(checkpoint(bidirectional=True, scale=0.9), Path("both"))
    (filling,) = both.infill("a_b", candidates=1)
    assert filling.text[0] + filling.text[2] == "ab"
    fillings = both.infill("a#b", blank="#", length=range(2, 4), chains=4, sweeps=4)
    assert {len(filling.fill) for filling in fillings} <= {2, 3}
    assert sum(filling.probability for filling in both.infill("a_b", candidates=99)) == pytest.approx(1)
    for length in (0, range(3, 3), 999):
        with pytest.raises(ConfigError, match="length must be from 1 to 200"):
            both.infill("a_b", length=length)
    with pytest.raises(CheckpointError, match="from left to right only"):
        Model(checkpoint(), Path("one")).infill("a_b")


def test_a_model_finds_what_its_training_held_out(trained: Path, text: str) -> None:
    """Its parts are what ``score`` takes."""
    model = chargen.load(trained)
    passage = model.held_out("test", context=30)
    first, end = model.checkpoint.corpus.test
    assert (passage.text, passage.before) == (text[first:end], text[first - 30 : first])
    assert model.score(passage.text, before=passage.before).characters == end - first


def test_a_result_has_its_history_as_plain_data(text_file: Path, tmp_path: Path) -> None:
    """A mapping for each validation, as a table takes them, also of a run that went on."""
    result = chargen.train(text_file, root=tmp_path, run="a", eval_every=2, **tiny.SETTINGS)
    assert [point["step"] for point in result.history] == [2, 4, 6]
    assert all(type(value) in (int, float, NoneType) for point in result.history for value in point.values())
    assert json.loads(json.dumps(result.history)) == result.history
    assert min(point["val_bpc"] for point in result.history) == result.val_bpc
    assert chargen.resume("a", root=tmp_path).history == result.history


def test_progress_is_drawn_when_asked_for(text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bar that stays, on stderr, of a training and of one that goes on; without that nothing is printed."""
    asked = iter([False, False, True])
    settings = {**tiny.SETTINGS, "steps": 30, "eval_every": 10}
    chargen.train(text_file, root=tmp_path, run="b", **settings)
    assert capsys.readouterr() == ("", "")
    chargen.train(text_file, root=tmp_path, run="a", progress=True, **settings)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"val \d\.\d{3} bpc, 00:00 left 100%.*30/30, train \d\.\d{3}", err)
    chargen.train(text_file, root=tmp_path, run="c", stop=lambda: next(asked), **settings)
    chargen.resume("c", root=tmp_path, progress=True)
    assert "30/30" in capsys.readouterr().err


def test_what_is_shown_of_a_result_fits_a_line(model: Model, trained: Path, text_file: Path, tmp_path: Path) -> None:
    """In a notebook, say: what it is, and the figures, not every number in it."""
    assert repr(model).startswith("<Model of some: 2x16 lstm, 7 characters, from ")
    scored = model.score("abcd" * 500)
    assert repr(scored) == f"<Scored: 2,000 characters, {scored.bpc:.4f} bits per character>"
    unknown = model.score("ab\u2603")
    assert repr(unknown) == f"<Scored: 3 characters, 1 of them unknown, {unknown.bpc:.4f} bits per character>"
    for shown in (chargen.load(trained).held_out("test"), load(trained / "last.safetensors", with_state=True)):
        assert len(repr(shown)) < 400
    result = chargen.train(text_file, root=tmp_path, run="a", **tiny.SETTINGS)
    assert repr(result).startswith("<Finished a: validation ")
    assert " bits per character after 6 steps in " in repr(result)
    *_, last = model.pieces("ab", length=3, seed=7)
    assert repr(last.ending) == "<Ending by length after 3 random numbers of seed 7>"
    assert all(len(repr(shown)) < 300 for shown in (result, last))
    (verdict,) = chargen.classify("abcd", [model, model])
    assert repr(verdict) == "<Verdict: model 0 with probability 0.5, by 0.0 bits>"


def test_only_what_is_meant_for_users_is_listed() -> None:
    """What completion offers after ``chargen.`` has no modules that were imported on the way."""
    assert dir(chargen) == sorted(["__version__", *PUBLIC])


def test_errors_name_arguments_as_python_does(text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the command line has options; a whole command, which a shell takes, stays."""
    chargen.train(text_file, root=tmp_path, run="a", **tiny.SETTINGS)
    with pytest.raises(RunError, match="go on with resume a, replace it with overwrite, or choose another run name"):
        chargen.train(text_file, root=tmp_path, run="a", **tiny.SETTINGS)
    with pytest.raises(ConfigError, match=r"^batch_size, bptt cannot change when a run goes on"):
        chargen.resume("a", root=tmp_path, bptt=3, batch_size=2)  # type: ignore[arg-type]

    def fail(*_: object, **_settings: object) -> None:
        raise CorpusError("lower --batch-size, or go on with: chargen train - --resume a")

    monkeypatch.setattr(start, "resume", fail)
    with pytest.raises(CorpusError, match=r"^lower batch_size, or go on with: chargen train - --resume a$"):
        chargen.resume("a", root=tmp_path)
