"""What a name means: files, folders and names of runs, and what is none of them."""

import os
from pathlib import Path

import pytest
from samples import checkpoint

from chargen.errors import CheckpointError, RunError
from chargen.store import lookup
from chargen.store.lookup import explain, find, find_run, folder_of, names_of
from chargen.store.runs import Run, address


def write(run: Run) -> None:
    """Write what a training writes."""
    run.write(checkpoint(), best=True)


def test_a_checkpoint_is_found_by_file_folder_or_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path comes first, then a run of that name; of a run its best, failing that its last."""
    monkeypatch.chdir(tmp_path)
    run = Run("a")
    write(run)
    for where in (run.best, run.folder, "a", Path("a")):
        assert find(where) == run.best
    assert find(run.last) == run.last
    assert find("a/last.safetensors") == run.last
    Path("a").mkdir()
    assert find("a") == run.best
    run.best.unlink()
    assert find("a") == run.last


def test_a_run_is_found_by_all_that_its_checkpoints_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, its folder however written, or a file in that; what has no run in it is passed over."""
    monkeypatch.chdir(tmp_path)
    write(Run("a"))
    Path("a").mkdir()
    for where in ("a", "checkpoints/a", "./checkpoints/a/", Path("checkpoints/a"), "checkpoints/a/best.safetensors"):
        assert find_run(where).folder == Path("checkpoints/a")
        assert find_run(where).name == "a"
    for where in (tmp_path / "checkpoints" / "a", tmp_path / "checkpoints" / "a" / "last.safetensors"):
        assert find_run(where, root="elsewhere").folder == tmp_path / "checkpoints" / "a"
    monkeypatch.chdir("checkpoints/a")
    assert find_run(".").name == find_run("best.safetensors").name == "a"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("nothing", "there is no run 'nothing' in .* to go on with"),
        ("empty", "there is no run 'empty'"),
        ("alice", "there is no run 'alice'"),
        ("x" * 5000, "File name too long"),
        ("", "name is empty"),
    ],
)
def test_a_run_that_is_not_there_is_reported(where: str, words: str, tmp_path: Path) -> None:
    """A name that is nothing, an empty folder, the pretrained model, or no name at all."""
    (tmp_path / "empty").mkdir()
    with pytest.raises((RunError, CheckpointError), match=words):
        find_run(where, root=tmp_path)


def test_what_means_a_run_is_as_short_as_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name where it lies among the runs of this folder and nothing else is called so, else its path."""
    monkeypatch.chdir(tmp_path)
    assert address(Path("checkpoints/a")) == "a"
    Path("a").touch()
    assert address(Path("checkpoints/a")) == str(Path("checkpoints/a"))
    assert address(tmp_path / "a") == str(tmp_path / "a")


def test_the_newest_run_is_taken_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run whose best is newest; without any run the pretrained model, failing that advice what to do."""
    for at, name in enumerate(("b", "c", "a")):
        write(Run(name, tmp_path))
        os.utime(tmp_path / name / "best.safetensors", (at, at))
    assert find(root=tmp_path) == tmp_path / "a" / "best.safetensors"
    nowhere = tmp_path / "nowhere"
    monkeypatch.setattr(lookup, "bundled", lambda: {"alice": tmp_path / "alice.safetensors"})
    assert find(root=nowhere) == tmp_path / "alice.safetensors"
    monkeypatch.setattr(lookup, "bundled", dict)
    with pytest.raises(CheckpointError, match="make one with: chargen train"):
        find(root=nowhere)


def test_alice_is_the_pretrained_model_unless_a_run_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what is told of the one can be tried with the other."""
    monkeypatch.setattr(lookup, "bundled", lambda: {"alice": tmp_path / "pretrained"})
    assert find("alice", root=tmp_path) == find(Path("alice"), root=tmp_path) == tmp_path / "pretrained"
    write(Run("alice", tmp_path))
    assert find("alice", root=tmp_path) == tmp_path / "alice" / "best.safetensors"
    monkeypatch.setattr(lookup, "bundled", dict)
    with pytest.raises(CheckpointError, match="there is no checkpoint or run 'alice'"):
        find("alice", root=tmp_path / "nowhere")


def test_an_unknown_name_is_met_with_near_ones(tmp_path: Path) -> None:
    """Those of runs and, where a model is meant, of the models that come with chargen; a path by its last part."""
    with pytest.raises(CheckpointError, match=r"'poem-22'; chargen train makes one"):
        find("poem-22", root=tmp_path)
    for name in ("poem", "poem-2", "letters"):
        write(Run(name, tmp_path))
    (tmp_path / "poem-20").mkdir()
    for look_up in (find, find_run):
        for where in ("poem-22", Path("checkpoints/poem-22")):
            with pytest.raises((CheckpointError, RunError), match=r"poem-22'.*; did you mean poem-2 or poem\?$"):
                look_up(where, root=tmp_path)
        with pytest.raises((CheckpointError, RunError), match=r"'x'.*; chargen runs lists those that there are$"):
            look_up("x", root=tmp_path)
    with pytest.raises(CheckpointError, match=r"'enlgish'; did you mean english\?$"):
        find("enlgish", root=tmp_path)
    with pytest.raises(RunError, match="chargen runs lists"):
        find_run("enlgish", root=tmp_path)


def test_what_was_taken_is_explained_where_the_name_does_not_say_it(tmp_path: Path) -> None:
    """The newest run or the pretrained model for no name, a run's last where it has no best; else nothing."""
    assert explain(None, find(root=tmp_path)) == "model alice, the pretrained one, since there is no run yet"
    run = Run("poem", tmp_path)
    write(run)
    assert explain(None, find(root=tmp_path)) == "model poem, the newest run"
    for where in ("poem", run.folder, run.last):
        assert explain(where, find(where, root=tmp_path)) == ""
    run.best.unlink()
    assert explain("poem", find("poem", root=tmp_path)) == (
        "model poem, its last checkpoint, since it has no best.safetensors"
    )


def test_the_root_may_be_a_string(tmp_path: Path) -> None:
    """A run is written and found in a folder given as a plain string."""
    write(Run("a", str(tmp_path)))
    for where in ("a", None):
        assert find(where, root=str(tmp_path)) == tmp_path / "a" / "best.safetensors"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("nothing", "there is no checkpoint or run 'nothing'"),
        ("empty", "empty is a folder without best.safetensors or last.safetensors"),
        ("x" * 5000, "File name too long"),
        ("a\0b", "there is no checkpoint or run"),
        ("", "name is empty"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_reported(where: str, words: str, tmp_path: Path) -> None:
    """A name that is nothing, an empty folder, or no name at all."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=words):
        find(where, root=tmp_path)


def test_a_runs_folder_is_found_by_path_or_name(tmp_path: Path) -> None:
    """A path or a run's name; a file, an empty folder or a folder of something else is no run."""
    run = Run("a", tmp_path)
    write(run)
    assert folder_of(run.folder) == run.folder
    assert folder_of("a", root=tmp_path) == run.folder
    (tmp_path / "empty").mkdir()
    for where in (run.best, "empty", "nothing"):
        assert folder_of(where, root=tmp_path) is None
    with pytest.raises(CheckpointError, match="File name too long"):
        folder_of("x" * 5000, root=tmp_path)


def test_names_are_short_where_that_tells_checkpoints_apart() -> None:
    """A run goes by its folder, another file by its own name, and files of the same name by their paths."""
    runs = [
        Path("checkpoints/one/best.safetensors"),
        Path("checkpoints/two/last.safetensors"),
        Path("x/three.safetensors"),
    ]
    assert names_of(runs) == ["one", "two", "three"]
    alike = [Path("a/x.safetensors"), Path("b/x.safetensors")]
    assert names_of(alike) == ["a/x.safetensors", "b/x.safetensors"]
