"""What the version before wrote still loads, writes, scores and goes on."""

import json
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

import chargen
from chargen.config import CELLS, ModelConfig, TrainConfig
from chargen.store import runs
from chargen.training import step
from chargen.training.dropout import Masks
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


def older_masks(config: ModelConfig, train: TrainConfig, step: int) -> Masks:
    """The masks as the older version drew them: anew at each step, from the seed and the step."""
    random = np.random.SFC64((train.seed, step))

    def mask(rate: float, rows: int, columns: int) -> Tensor | None:
        dropped = round(rate * 256)
        if dropped == 0:
            return None
        drawn = random.random_raw((rows * columns + 7) // 8).view(np.uint8)[: rows * columns].reshape(rows, columns)
        return torch.from_numpy((drawn >= dropped) * np.float32(256 / (256 - dropped)))

    rows, layers = len(CELLS[config.cell].gates) * config.hidden_size, range(config.num_layers)

    def stack(backward: Masks | None = None) -> Masks:
        return Masks(
            inputs=mask(train.input_dropout, train.batch_size, config.input_size),
            between=tuple(mask(train.dropout, train.batch_size, config.hidden_size) for _ in layers[1:]),
            output=mask(train.output_dropout, train.batch_size, config.readout_size),
            recurrent=tuple(mask(train.weight_drop, rows, config.hidden_size) for _ in layers),
            backward=backward,
        )

    return stack(stack() if config.bidirectional else None)


@pytest.mark.parametrize("cell", sorted(EXPECTED))
@pytest.mark.parametrize(("masks", "tolerance"), [("the older one's", 1e-4), ("its own", 0.01)])
def test_an_older_run_goes_on_to_where_it_would_have_come(
    cell: str, masks: str, tolerance: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped half-way by the older version, ended by this one: best step and losses as the older one's.

    This one draws other masks for dropout, which makes a small difference, and nothing else does.
    """
    if masks == "the older one's":
        monkeypatch.setattr(
            step, "Dropout", lambda model, train, _: SimpleNamespace(masks=partial(older_masks, model, train))
        )
    shutil.copytree(BEFORE, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    finished = chargen.resume(cell, root=Path())
    assert isinstance(finished, Finished)
    assert (finished.step, finished.best_step) == (20, EXPECTED[cell]["best_step"])
    assert finished.val_bpc == pytest.approx(EXPECTED[cell]["val_bpc"], abs=tolerance)
    assert finished.test_bpc == pytest.approx(EXPECTED[cell]["test_bpc"], abs=tolerance)
