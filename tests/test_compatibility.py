"""What the version before wrote still loads, writes, scores and goes on."""

import json
import shutil
from pathlib import Path

import pytest

import chargen
from chargen.store import runs
from chargen.training.events import Finished

BEFORE = Path(__file__).parent / "fixtures" / "before"
EXPECTED = json.loads((BEFORE / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("cell", sorted(EXPECTED))
def test_an_older_checkpoint_writes_and_scores_as_it_did(cell: str) -> None:
    """Same seed, same text; same text, same bits."""
    model = chargen.load(BEFORE / cell / runs.BEST)
    assert model.sample("Alice", length=60, seed=3) == EXPECTED[cell]["sample"]
    text = (BEFORE / "text.txt").read_text(encoding="utf-8")
    assert model.score(text[:200]).bpc == pytest.approx(EXPECTED[cell]["bpc"], abs=1e-5)


@pytest.mark.parametrize("cell", sorted(EXPECTED))
def test_an_older_run_goes_on_to_where_it_would_have_come(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped half-way by the older version, ended by this one: best step and losses as the older one's."""
    shutil.copytree(BEFORE, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    finished = chargen.resume(cell, root=Path())
    assert isinstance(finished, Finished)
    assert (finished.step, finished.best_step) == (20, EXPECTED[cell]["best_step"])
    assert finished.val_bpc == pytest.approx(EXPECTED[cell]["val_bpc"], abs=1e-4)
    assert finished.test_bpc == pytest.approx(EXPECTED[cell]["test_bpc"], abs=1e-4)
