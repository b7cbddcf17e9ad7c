"""Where a training begins: names, refusals, going on, and starting from another model."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from numpy.typing import NDArray
from samples import checkpoint, put_together, taken_apart, with_digests
from tiny import stop_after

from chargen.errors import ChargenError, CheckpointError, ConfigError, CorpusError, MismatchError, RunError
from chargen.model import Model
from chargen.store.checkpoint import load, save
from chargen.text.corpus import Texts
from chargen.training import start
from chargen.training.events import Started
from chargen.training.torch_network import StackedRNN
from chargen.training.trainer import Trainer

Weights = dict[str, NDArray[np.float32]]


def text_in(folder: Path, text: str, name: str = "other.txt") -> Path:
    """A file with the text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("poems.txt", "poems"),
        ("my poems (1).txt", "my-poems--1"),
        (".hidden.txt", "hidden"),
        ("日本.txt", "日本"),
        ("...txt", "run"),
    ],
)
def test_a_run_is_named_after_its_text(name: str, expected: str, text: str, tmp_path: Path) -> None:
    """Without a name the corpus's, without what is awkward in a folder's name, and numbered where that is taken."""
    file = text_in(tmp_path, text, name)
    settings = {**tiny.SETTINGS, "root": tmp_path / "runs"}
    names = [start.begin(Texts(sources=(str(file),)), **settings).run.name for _ in range(3)]
    assert names == [expected] * 3
    tiny.finish(start.begin(Texts(sources=(str(file),)), **settings))
    assert start.begin(Texts(sources=(str(file),)), **settings).run.name == f"{expected}-2"


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"hidden_size": 0}, ConfigError),
        ({"heads": 4}, ConfigError),
        ({"preset": "huge"}, ConfigError),
        ({"device": "cuda:9"}, ConfigError),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, ConfigError),
        ({"run": "a/b"}, RunError),
        ({"init_from": "nothing"}, CheckpointError),
    ],
)
def test_nothing_is_written_when_a_start_is_refused(
    wanted: dict[str, Any], error: type[ChargenError], text_file: Path, tmp_path: Path
) -> None:
    """A setting, a name or a checkpoint that is wrong leaves no folder."""
    with pytest.raises(error):
        tiny.begin(text_file, tmp_path / "runs", **wanted)
    assert not (tmp_path / "runs").exists()


def test_an_existing_run_is_refused_before_the_text_is_read(trained: Path, text_file: Path, tmp_path: Path) -> None:
    """A name that is taken is an error at once; with overwrite the old run goes, once the new one can start."""
    shutil.copytree(trained, tmp_path / "run")
    with pytest.raises(RunError, match="run 'run' exists"):
        tiny.begin(tmp_path / "no such text", tmp_path)
    with pytest.raises(ConfigError):
        tiny.begin(text_file, tmp_path, overwrite=True, hidden_size=0)
    assert (tmp_path / "run" / "best.safetensors").exists()
    tiny.train(text_file, tmp_path, overwrite=True, stop=stop_after(0))
    assert load(tmp_path / "run" / "best.safetensors").model.hidden_size == 8


def test_a_tiny_text_shrinks_the_batch_with_a_note(text: str, tmp_path: Path) -> None:
    """Two hundred characters train: batch size and bptt are lowered, and a note says to what."""
    made = tiny.begin(text_in(tmp_path, text[:200]), tmp_path, batch_size=32, bptt=64)
    (started,) = tiny.events(made, Started)
    assert "only 180 characters, so batch size 32 became 4 and bptt 64 became 22" in started.notes[0]
    assert (started.train.batch_size, started.train.bptt) == (4, 22)


def interrupted(text_file: Path, root: Path, **wanted: Any) -> Path:
    """The last checkpoint of a run that was stopped halfway."""
    tiny.train(text_file, root, stop=stop_after(3), **wanted)
    return root / "run" / "last.safetensors"


def test_what_makes_a_run_exact_cannot_change(text_file: Path, tmp_path: Path) -> None:
    """Settings that the result depends on are refused by name, the others may change."""
    interrupted(text_file, tmp_path)
    with pytest.raises(ConfigError, match="--bptt, --learning-rate cannot change when a run goes on"):
        start.resume("run", root=tmp_path, learning_rate=0.1, bptt=5)
    made = start.resume("run", root=tmp_path, threads=1, keep=3, preview=9, device="auto", precision="fp32")
    assert (made.train.keep, made.train.preview, made.train.precision) == (3, 9, "fp32")


def test_a_run_goes_on_with_the_text_it_began_with(text_file: Path, text: str, tmp_path: Path) -> None:
    """Another text is refused; the same one may have moved, and is named then."""
    here = text_in(tmp_path, text, "here.txt")
    interrupted(here, tmp_path)
    here.write_text(text.replace("Alice", "Bob"), encoding="utf-8")
    with pytest.raises(CorpusError, match="is not the text that run 'run' was trained on"):
        start.resume("run", root=tmp_path)
    here.unlink()
    with pytest.raises(CorpusError, match=r"here\.txt"):
        start.resume("run", root=tmp_path)
    made = start.resume("run", {"sources": (str(text_file),)}, root=tmp_path)
    assert tiny.finish(made).step == 6
    assert made.origin.sources == (str(text_file),)


@pytest.mark.parametrize("source", ["pipe", "/dev/zero", "-"])
def test_a_pipe_is_not_waited_for(source: str, text_file: Path, folder: Path) -> None:
    """A run whose text cannot be read again is told so, and goes on with a file that holds it."""
    os.mkfifo("pipe")
    interrupted(text_file, folder)
    file = folder / "run" / "last.safetensors"
    last = load(file, with_state=True)
    assert last.resume is not None
    resumed = dataclasses.replace(last.resume, origin=Texts(sources=(source,)))
    save(file, dataclasses.replace(last, resume=resumed))
    with pytest.raises(CorpusError, match="came through a pipe; pipe it in again"):
        start.resume("run", root=folder)
    assert tiny.finish(start.resume("run", {"sources": (str(text_file),)}, root=folder)).step == 6


def test_a_run_that_is_being_trained_is_left_alone(text_file: Path, tmp_path: Path) -> None:
    """Neither going on with it nor overwriting it is possible before its training has ended or was given up."""
    events = tiny.begin(text_file, tmp_path).events()
    next(events)
    next(events)
    with pytest.raises(RunError, match="run 'run' is being trained by another process"):
        start.resume("run", root=tmp_path)
    with pytest.raises(RunError, match="run 'run' is being trained by another process"):
        tiny.begin(text_file, tmp_path, overwrite=True)
    del events
    assert tiny.train(text_file, tmp_path, overwrite=True).step == 6
    assert start.resume("run", root=tmp_path).learner.step == 6


def test_the_best_of_another_run_is_refused(text_file: Path, text: str, tmp_path: Path) -> None:
    """Its losses and weights are not this run's: of another text, another architecture, or another training."""
    interrupted(text_file, tmp_path, eval_every=1)
    best = tmp_path / "run" / "best.safetensors"
    other = text_in(tmp_path, text.upper())
    for at, (file, settings) in enumerate(((text_file, {"seed": 2}), (text_file, {"hidden_size": 9}), (other, {}))):
        shutil.copy(tiny.train(file, tmp_path / str(at), **{"eval_every": 1, **settings}).best, best)
        with pytest.raises(CheckpointError, match=r"best\.safetensors belongs to another run than .*last\.safetensors"):
            start.resume("run", root=tmp_path)


def test_both_directions_go_on_after_windows_of_one_step(text_file: Path, tmp_path: Path) -> None:
    """Nothing reaches the joint read-out in windows so short; the optimizer's state is whole all the same."""
    settings = {"bidirectional": True, "bptt": 1, "val_fraction": 0.0, "test_fraction": 0.0}
    tiny.train(text_file, tmp_path / "whole", **settings)
    interrupted(text_file, tmp_path, **settings)
    tiny.finish(start.resume("run", root=tmp_path))
    whole, mended = (load(root / "run" / "last.safetensors") for root in (tmp_path / "whole", tmp_path))
    for name, weight in whole.weights.items():
        np.testing.assert_array_equal(mended.weights[name], weight)


def test_reading_again_reads_alike(text: str, tmp_path: Path) -> None:
    """Encoding and rare characters are taken as they were when the run began, wherever the text is now."""
    file = tmp_path / "latin.txt"
    file.write_bytes((text + "é" * 9 + "ü").encode("latin-1", "replace"))
    texts = Texts(sources=(str(file),), encoding="latin-1", min_count=5)
    made = start.begin(texts, run="run", root=tmp_path, stop=stop_after(2), **tiny.SETTINGS)
    assert made.corpus.vocab.unknown_id is not None
    tiny.finish(made)
    moved = {"sources": (str(file.rename(tmp_path / "elsewhere.txt")),)}
    tiny.finish(start.resume("run", moved, root=tmp_path, stop=stop_after(1)))
    assert tiny.finish(start.resume("run", root=tmp_path)).step == 6


def test_without_a_last_checkpoint_nothing_goes_on(text_file: Path, tmp_path: Path) -> None:
    """A run that is missing, or has a model in the place of its state, is a clear error."""
    with pytest.raises(RunError, match="there is no run 'nothing'"):
        start.resume("nothing", root=tmp_path)
    last = interrupted(text_file, tmp_path)
    last.unlink()
    with pytest.raises(CheckpointError, match=r"run 'run' has no last\.safetensors.*anew with --overwrite"):
        start.resume("run", root=tmp_path)
    shutil.copy(tmp_path / "run" / "best.safetensors", last)
    with pytest.raises(CheckpointError, match="holds no training state to resume from"):
        start.resume("run", root=tmp_path)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("state.hidden", np.zeros((2, 1, 3, 8), np.float32)),
        ("state.exp_avg.readout.weight", np.zeros(4, np.float32)),
        ("state.exp_avg_sq.readout.bias", np.zeros(58, np.int64)),
        ("state.weight.layers.0.weight_hh", None),
    ],
)
def test_a_state_that_does_not_fit_is_refused(
    name: str, tensor: NDArray[Any] | None, text_file: Path, tmp_path: Path
) -> None:
    """A stranger's last whose checksums are right but whose state is of another shape, type or missing."""
    last = interrupted(text_file, tmp_path)
    document, tensors = taken_apart(last)
    assert name in tensors
    if tensor is None:
        del tensors[name]
    else:
        tensors[name] = tensor
    put_together(last, with_digests(document, tensors), tensors)
    with pytest.raises(CheckpointError, match="holds no consistent state to resume from"):
        start.resume("run", root=tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": -1}, "step -1"),
        ({"step": "3"}, "step '3'"),
        ({"total_steps": None}, "total_steps None"),
        ({"tally": {"steps": 1, "sums": "abc"}}, "sums 'abc'"),
        ({"tally": {"steps": 1, "sums": [1.0]}}, r"sums \[1.0\]"),
        ({"origin": {"sources": "x"}}, "origin"),
        ({"extra": 1}, "lacks or adds"),
    ],
)
def test_progress_that_makes_no_sense_is_refused(
    change: dict[str, Any], words: str, text_file: Path, tmp_path: Path
) -> None:
    """Counts, sums and origin must be such, though the checksum is right."""
    last = interrupted(text_file, tmp_path)
    document, tensors = taken_apart(last)
    document["progress"].update(change)
    put_together(last, document, tensors)
    with pytest.raises(CheckpointError, match=words):
        start.resume("run", root=tmp_path)


def start_from(parent: Path, text: Path, root: Path, **wanted: Any) -> tuple[Trainer, Weights]:
    """A fine-tuning about to begin, and the weights that it begins with."""
    shape = ("num_layers", "hidden_size", "embedding_size")
    settings = {name: value for name, value in tiny.SETTINGS.items() if name not in shape}
    made = start.begin(Texts(sources=(str(text),)), run="tuned", root=root, init_from=parent, **{**settings, **wanted})
    return made, made.learner.network.export()


def test_the_same_text_starts_from_the_very_weights(trained: Path, text_file: Path, tmp_path: Path) -> None:
    """With the parent's vocabulary every weight is the parent's, averaged ones too, and its file stays as it is."""
    before = (trained / "best.safetensors").read_bytes()
    made, weights = start_from(trained, text_file, tmp_path)
    parent = load(trained / "best.safetensors")
    assert made.model == parent.model
    for name, weight in parent.weights.items():
        np.testing.assert_array_equal(weights[name], weight)
        np.testing.assert_array_equal(made.learner.average.export()[name], weight)
    tiny.finish(made)
    assert (trained / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("one_hot", [False, True])
def test_shared_characters_keep_their_rows(one_hot: bool, skip: bool, half: bool, text: str, tmp_path: Path) -> None:
    """Embedding, read-out and one-hot rows of shared characters are the parent's; new ones begin from scratch."""
    parent = checkpoint("\n !.abcdexyz", num_layers=2, one_hot=one_hot, skip=skip)
    save(tmp_path / "parent", parent, half=half)
    old = load(tmp_path / "parent").weights
    made, weights = start_from(tmp_path / "parent", text_in(tmp_path, "abcde fgh\n" * 40), tmp_path)
    vocab = made.corpus.vocab
    assert vocab.characters == "\n abcdefgh"
    fresh = StackedRNN(made.model, seed=made.train.seed).export()
    below = {"layers.0.weight_ih": 0, "layers.1.weight_ih": 4}
    for at, character in enumerate(vocab.characters):
        before = parent.vocab.id_of(character)
        source, row = (old, before) if before is not None else (fresh, at)
        for name in [] if one_hot else ["embedding.weight"]:
            np.testing.assert_array_equal(weights[name][at], source[name][row])
        if before is not None:
            for name in ("readout.weight", "readout.bias"):
                np.testing.assert_array_equal(weights[name][at], old[name][before])
        if one_hot:
            for name, width in below.items():
                if width == 0 or skip:
                    np.testing.assert_array_equal(weights[name][:, width + at], source[name][:, width + row])
    np.testing.assert_array_equal(weights["layers.1.weight_hh"], old["layers.1.weight_hh"])
    np.testing.assert_array_equal(weights["layers.1.weight_ih"][:, :4], old["layers.1.weight_ih"][:, :4])
    assert made.notes[0] == "7 characters keep their embedding and read-out rows, 3 begin from scratch"
    assert tiny.finish(made).step == 6


def test_a_character_that_looks_like_another_begins_from_its_rows(tmp_path: Path) -> None:
    """All that are read as one share its probability; what the parent never saw is as likely as it is frequent."""
    parent = checkpoint('\n"abe#')
    parent = dataclasses.replace(parent, corpus=dataclasses.replace(parent.corpus, unseen="#"))
    save(tmp_path / "parent", parent)
    made, weights = start_from(tmp_path / "parent", text_in(tmp_path, "“ab” eé “ab\n#" * 40), tmp_path)
    vocab, old = made.corpus.vocab, parent.weights
    for character, alike in {"“": '"', "”": '"', "é": "e", "e": "e"}.items():
        new, before = vocab.id_of(character), parent.vocab.id_of(alike)
        for name in ("embedding.weight", "readout.weight"):
            np.testing.assert_array_equal(weights[name][new], old[name][before])
    shares = np.exp(weights["readout.bias"][vocab.ids_of("“”")] - old["readout.bias"][parent.vocab.id_of('"')])
    assert shares == pytest.approx([2 / 3, 1 / 3], abs=0.01)
    assert made.notes[0] == (
        "4 characters keep their embedding and read-out rows, 3 begin as what they look like, 2 begin from scratch"
    )
    probabilities = Model(dataclasses.replace(parent, vocab=vocab, model=made.model, weights=weights), tmp_path)
    scored = probabilities.score("#")  # before any training it is as likely as it is frequent
    assert 2**-scored.bpc == pytest.approx(1 / 13, rel=0.5)


def test_a_single_character_is_told_in_the_singular(tmp_path: Path) -> None:
    """One that keeps its rows, one that begins as another, one from scratch; each of them may be alone."""
    save(tmp_path / "parent", checkpoint("\nab"))
    (tmp_path / "text").write_text("a\u00e1c" * 100, encoding="utf-8")
    made, _ = start_from(tmp_path / "parent", tmp_path / "text", tmp_path)
    assert made.notes[0] == (
        "1 character keeps its embedding and read-out rows, 1 begins as what it looks like, 1 begins from scratch"
    )


def test_the_unknown_id_keeps_its_row(tmp_path: Path) -> None:
    """Where both have a reserved unknown id, it is shared."""
    parent = checkpoint("\n abc", unknown=True)
    save(tmp_path / "parent", parent)
    file = text_in(tmp_path, "abcab abc\n" * 40 + "z")
    made = start.begin(
        Texts(sources=(str(file),), min_count=2), run="tuned", root=tmp_path, init_from=tmp_path / "parent"
    )
    vocab, weights = made.corpus.vocab, made.learner.network.export()
    np.testing.assert_array_equal(weights["readout.weight"][vocab.unknown_id], parent.weights["readout.weight"][5])
    assert made.notes[0].startswith("6 characters keep")


def test_an_architecture_comes_from_the_parent(trained: Path, text_file: Path, tmp_path: Path) -> None:
    """It may be named again, not changed."""
    made, _ = start_from(trained, text_file, tmp_path, hidden_size=16)
    assert made.model.hidden_size == 16
    with pytest.raises(ConfigError, match="--hidden-size 32 differs from the 16 of the checkpoint"):
        start_from(trained, text_file, tmp_path, hidden_size=32)


def test_a_parent_without_a_shared_character_is_refused(tmp_path: Path) -> None:
    """There is nothing to carry over, and the error says what to do."""
    save(tmp_path / "parent", checkpoint("xyz"))
    with pytest.raises(MismatchError, match=r"of some, knows 0% of this text's characters; leave out --init-from"):
        start_from(tmp_path / "parent", text_in(tmp_path, "ab\n" * 100), tmp_path)


def test_a_run_is_found_by_its_name(trained: Path, text_file: Path, tmp_path: Path) -> None:
    """The name of a run among the others is enough to start from its best."""
    shutil.copytree(trained, tmp_path / "old")
    _, weights = start_from(Path("old"), text_file, tmp_path)
    np.testing.assert_array_equal(
        weights["readout.bias"], load(tmp_path / "old" / "best.safetensors").weights["readout.bias"]
    )


ADVICE = " or, if this is English, start from the model english: --init-from english"


@pytest.mark.parametrize(
    ("text", "reading", "settings", "told"),
    [
        ("The cat sat on the mat.\n", {}, {}, ["24 characters", "a longer text" + ADVICE]),
        ("The cat sat on the mat.\n", {}, {"hidden_size": 8}, ["24 characters", "a longer text"]),
        ("Ann\nBob\nCarl\nDora\nEmil\nFay\n", {"lines": True}, {}, ["27 characters", "a longer list"]),
        ("The cat sat on the mat.\n" * 25, {}, {}, []),
        ("".join(f"Ann{number}\n" for number in range(100)), {"lines": True}, {}, []),
    ],
)
def test_a_text_that_teaches_nothing_else_is_told_once(
    text: str, reading: dict[str, Any], settings: dict[str, Any], told: list[str], tmp_path: Path
) -> None:
    """With its characters, and what to do about it; the model of English where that could serve."""
    file = text_in(tmp_path, text)
    trainer = start.begin(
        Texts(sources=(str(file),), **reading), run="short", root=tmp_path, steps=1, device="cpu", threads=1, **settings
    )
    notes = [note for note in trainer.notes if "characters teach" in note or "english" in note]
    assert len(notes) == bool(told)
    assert all(note.startswith(told[0]) and note.endswith(told[1]) for note in notes)


@pytest.mark.parametrize(
    ("text", "reading", "told"),
    [
        ("".join(f"Ann{number}\n" for number in range(200)), {}, True),
        ("".join(f"Ann{number}\n" for number in range(200)), {"lines": True}, False),
        ("".join(f"Ann{number}, who came with us by train\n" for number in range(200)), {}, False),
        ("Ann\nBob\n" * 100, {}, False),
        ("The cat sat on the mat. " * 100, {}, False),
    ],
)
def test_a_list_that_is_read_as_a_text_is_told(text: str, reading: dict[str, Any], told: bool, tmp_path: Path) -> None:
    """Its lines are short and differ; prose, verse and what repeats itself are no list."""
    settings: dict[str, Any] = {"run": "names", "root": tmp_path, **tiny.SETTINGS}
    trainer = start.begin(Texts(sources=(str(text_in(tmp_path, text)),), **reading), **settings)
    assert (
        "each line looks like an item of a list, such as a name; to learn it as one: --lines" in trainer.notes
    ) is told


def test_fine_tuning_on_a_short_text_is_told_too(trained: Path, tmp_path: Path) -> None:
    """Without the advice that it follows."""
    made, _ = start_from(trained, text_in(tmp_path, "The cat sat on the mat.\n"), tmp_path)
    assert [note for note in made.notes if "longer" in note] == [
        "24 characters teach a model little but to repeat them; give it a longer text"
    ]
