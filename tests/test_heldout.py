"""The text of a held-out split: where it is found, and what is refused."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import samples
import tiny
from samples import load_corpus

from chargen.errors import ConfigError, CorpusError
from chargen.store import heldout
from chargen.store.checkpoint import CorpusInfo, load, save
from chargen.store.heldout import held_out, unseen
from chargen.text.corpus import Texts
from chargen.text.sources import read_text
from chargen.training import start


def test_a_split_is_found_where_the_training_read_it(trained: Path, text: str) -> None:
    """From ``best`` through the ``last`` beside it, and from ``last`` itself; with the text before it."""
    for name in ("best.safetensors", "last.safetensors"):
        found = load(trained / name)
        for split, (first, end) in (("val", found.corpus.val), ("test", found.corpus.test)):
            assert held_out(found, trained / name, split, context=30) == (
                f"tiny {split}",
                text[first:end],
                text[first - 30 : first],
                "",
            )
            far = held_out(found, trained / name, split, context=30, reach=50)
            assert (far.before, far.earlier) == (text[first - 30 : first], text[first - 50 : first - 30])
        assert held_out(found, trained / name, "test").before == text[: found.corpus.test[0]]
        assert held_out(found, trained / name, "test", context=0).before == ""


def test_a_text_that_moved_is_read_as_it_was(text: str, tmp_path: Path) -> None:
    """The run knows its encoding; a text of another is still read where that is named."""
    file = tmp_path / "latin.txt"
    file.write_bytes((text + "é").encode("latin-1", "replace"))
    texts = Texts(sources=(str(file),), encoding="latin-1")
    tiny.finish(start.begin(texts, run="run", root=tmp_path, **tiny.SETTINGS))
    moved, best = file.rename(tmp_path / "elsewhere.txt"), tmp_path / "run" / "best.safetensors"
    found = held_out(load(best), best, "test", sources=[str(moved)])
    assert found.text.endswith("é")
    moved.write_text(moved.read_text("latin-1"), encoding="utf-8")
    assert held_out(load(best), best, "test", sources=[str(moved)], encoding="utf-8") == found


def test_the_split_of_a_list_is_found_again(tmp_path: Path) -> None:
    """Its items in their shuffled order, each with its end mark, also where the file is named and the run is not."""
    file = tmp_path / "names.txt"
    file.write_text("\n\n".join(f"name{number}" for number in range(300)), encoding="utf-8")
    texts = Texts(sources=(str(file),), lines=True)
    tiny.finish(start.begin(texts, run="run", root=tmp_path, **tiny.SETTINGS))
    best = tmp_path / "run" / "best.safetensors"
    found = held_out(load(best), best, "test")
    assert sorted(found.text.splitlines()) != sorted(f"name{number}" for number in range(285, 300))
    assert len(found.text.splitlines()) == 15
    assert (found.text + found.before)[-1] == "\n"
    (tmp_path / "run" / "last.safetensors").unlink()
    assert held_out(load(best), best, "test", sources=[str(file)]) == found


def test_a_text_that_moved_can_be_named(trained: Path, text: str, tmp_path: Path) -> None:
    """Any file with the same text will do; another text is refused."""
    best = shutil.copy(trained / "best.safetensors", tmp_path)
    found = load(Path(best))
    moved = tmp_path / "moved.txt"
    moved.write_text(text, encoding="utf-16")
    first, end = found.corpus.test
    assert held_out(found, Path(best), "test", sources=[str(moved)], encoding="utf-16").text == text[first:end]
    with pytest.raises(CorpusError, match=r"tiny, is not at hand \(no file.*name its file"):
        held_out(found, Path(best), "test")
    moved.write_text(text[:-1])
    with pytest.raises(CorpusError, match=r"is not the text that .* was trained on"):
        held_out(found, Path(best), "test", sources=[str(moved)])


def test_a_built_in_text_is_found_by_its_name(tmp_path: Path, text: str) -> None:
    """Where no ``last`` checkpoint is at hand; the vocabulary of the model, which may be smaller, has no say in it."""
    alice = load_corpus()
    info = CorpusInfo(
        name="alice", sha256=alice.sha256, characters=len(alice), train=(0, 9), val=(9, 99), test=(99, 99)
    )
    model = dataclasses.replace(samples.checkpoint("ab"), corpus=info, resume=None)
    assert held_out(model, tmp_path / "x", "val", context=5) == ("alice val", text[9:99], text[4:9], "")
    assert held_out(model, tmp_path / "x", "val", context=5, reach=3)[2:] == (text[4:9], "")
    assert held_out(model, tmp_path / "x", "val", context=5, reach=99)[2:] == (text[4:9], text[:4])
    wrong = dataclasses.replace(model, corpus=dataclasses.replace(info, sha256="0"))
    with pytest.raises(CorpusError, match=r"alice \(148,\d+ characters\) is not the text"):
        held_out(wrong, tmp_path / "x", "val")


def test_what_came_through_a_pipe_is_not_read_again(trained: Path) -> None:
    """Standard input or a device would be waited for, perhaps for ever."""
    last = load(trained / "last.safetensors")
    for source in ("-", "/dev/zero"):
        assert last.resume is not None
        piped = dataclasses.replace(last, resume=dataclasses.replace(last.resume, origin=Texts(sources=(source,))))
        with pytest.raises(CorpusError, match="came through a pipe"):
            held_out(piped, trained / "last.safetensors", "val")


def test_the_last_checkpoint_of_another_text_is_not_asked(trained: Path, tmp_path: Path) -> None:
    """A checkpoint in another run's folder does not take that run's text, nor fail where ``last`` is damaged."""
    found = load(trained / "best.safetensors")
    last = load(trained / "last.safetensors", with_state=True)
    save(tmp_path / "last.safetensors", dataclasses.replace(last, corpus=dataclasses.replace(last.corpus, sha256="0")))
    with pytest.raises(CorpusError, match="no file, folder or built-in corpus 'tiny'"):
        held_out(found, tmp_path / "best.safetensors", "val")
    (tmp_path / "last.safetensors").write_text("damaged")
    with pytest.raises(CorpusError, match="no file, folder or built-in corpus 'tiny'"):
        held_out(found, tmp_path / "best.safetensors", "val")


def test_a_split_too_large_for_memory_is_refused(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the text before it, which is held in memory as well."""
    found = load(trained / "best.safetensors")
    first, end = found.corpus.test
    monkeypatch.setattr(heldout, "LONGEST", end - first + 10)
    assert held_out(found, trained / "best.safetensors", "test", context=10).before
    with pytest.raises(CorpusError, match="that are read at once; score a part of it as a file"):
        held_out(found, trained / "best.safetensors", "test", context=11)


def test_what_makes_no_sense_is_refused(trained: Path) -> None:
    """A split that is none, or empty, and a negative context."""
    path = trained / "best.safetensors"
    found = load(path)
    with pytest.raises(ConfigError, match="split must be one of val, test, not 'train'"):
        held_out(found, path, "train")
    with pytest.raises(ConfigError, match="context"):
        held_out(found, path, "test", context=-1)
    without = dataclasses.replace(found, corpus=dataclasses.replace(found.corpus, test=(5, 5)))
    with pytest.raises(CorpusError, match="no test split: it was trained with test-fraction 0"):
        held_out(without, path, "test")


def test_unseen_text_is_what_was_held_out_or_built_in(trained: Path, text: str, tmp_path: Path) -> None:
    """Both splits in their order; where there are none, or the text has gone, a built-in corpus."""
    found = load(trained / "best.safetensors")
    assert unseen(found, trained / "best.safetensors") == ("tiny val and tiny test", text[found.corpus.val[0] :])
    gone = dataclasses.replace(found, corpus=dataclasses.replace(found.corpus, name="gone.txt"))
    assert unseen(gone, tmp_path / "best.safetensors") == ("alice", read_text("alice"))
