"""What of a damaged run is usable."""

import dataclasses
import os
from pathlib import Path

import pytest
from samples import arrays, checkpoint

from chargen.store.checkpoint import save
from chargen.store.diagnose import examine
from chargen.store.runs import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A whole run with a periodic checkpoint."""
    run = Run("a", tmp_path)
    run.write(checkpoint(), best=True, keep=1)
    return run


def states(run: Run) -> dict[str, str]:
    """State and remark of each file."""
    return {finding.name: f"{finding.state} {finding.remark}".strip() for finding in examine(run.folder)}


def test_a_whole_run_is_usable(run: Run) -> None:
    """Every file is usable and there is nothing to remark."""
    assert states(run) == dict.fromkeys(
        ["best.safetensors", "last.safetensors", "step-00000010.safetensors", "metrics.jsonl"], "usable"
    )


def test_each_damaged_file_is_told_from_the_rest(run: Run) -> None:
    """A file cut short is damaged; the others stay usable."""
    for name in ("best.safetensors", "last.safetensors", "step-00000010.safetensors"):
        whole = (run.folder / name).read_bytes()
        (run.folder / name).write_bytes(whole[:-5])
        found = states(run)
        assert found.pop(name).startswith("damaged ")
        assert set(found.values()) == {"usable"}
        (run.folder / name).write_bytes(whole)


def test_damage_in_what_resuming_needs_is_found(run: Run) -> None:
    """A last whose weights are whole but whose state is not is damaged."""
    whole = bytearray(run.last.read_bytes())
    at = whole.index(arrays(checkpoint())["state.hidden"].tobytes())
    whole[at + 3] ^= 1
    run.last.write_bytes(whole)
    assert "state.hidden does not match its checksum" in states(run)["last.safetensors"]


def test_what_is_missing_is_named(run: Run) -> None:
    """Without last the run cannot be resumed, without best only last can be used."""
    run.last.unlink()
    run.metrics.unlink()
    assert states(run)["last.safetensors"] == "missing the run cannot be resumed"
    assert states(run)["metrics.jsonl"].startswith("missing ")
    run.best.unlink()
    assert states(run)["best.safetensors"] == "missing"


def test_a_last_without_state_cannot_be_resumed(run: Run) -> None:
    """A copy of best in the place of last is usable, but not to go on from."""
    save(run.last, dataclasses.replace(checkpoint(), resume=None))
    assert states(run)["last.safetensors"].startswith("usable but without a training's state")


@pytest.mark.parametrize("content", [b'{"step": 1}\n{"step', b"\xff\n", b"3\n", b"[" * 100_000])
def test_damaged_metrics_are_named(content: bytes, run: Run) -> None:
    """A line that is no JSON object is told by its number."""
    run.metrics.write_bytes(content)
    line = content.count(b"\n") + (not content.endswith(b"\n"))
    assert states(run)["metrics.jsonl"].startswith(f"damaged line {line} is no JSON object")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors", "metrics.jsonl"])
def test_a_pipe_in_the_place_of_a_file_is_damage(name: str, run: Run) -> None:
    """Nobody waits for another process to write into it."""
    (run.folder / name).unlink()
    os.mkfifo(run.folder / name)
    assert states(run)[name].startswith("damaged ")


def test_leftovers_are_named(run: Run) -> None:
    """What a killed process left is harmless and told."""
    (run.folder / ".last.safetensors.abc.tmp").write_bytes(b"half")
    assert states(run)[".last.safetensors.abc.tmp"].startswith("leftover ")
