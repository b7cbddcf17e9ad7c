"""The notebook in examples/."""

import ast
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

NOTEBOOK: Final = Path(__file__).parent.parent / "examples" / "alice.ipynb"


def code_cells() -> list[dict[str, Any]]:
    """The cells of code, in their order."""
    return [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_runs(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All its cells in order, with settings that take a moment; a stopped training ends where the whole one does."""
    display: Any = ModuleType("IPython.display")
    display.HTML = str
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    names: dict[str, Any] = {}
    for number, cell in enumerate(code_cells(), 1):
        source = re.sub(r"STEPS, HIDDEN_SIZE = \d+, \d+", "STEPS, HIDDEN_SIZE = 8, 8", "".join(cell["source"]))
        source = source.replace("STEPS // 8", "STEPS // 2")
        exec(compile(source, f"cell {number}", "exec", dont_inherit=True), names)  # noqa: S102  # our own
    shown = capsys.readouterr().out
    assert (names["STEPS"], names["result"].step, names["resumed"].step) == (8, 8, 8)
    assert "the same as without a break: True" in shown
    assert shown.count(" bpc ") == 2
    assert sorted(path.name for path in Path("checkpoints").iterdir()) == ["stopped", "whole"]


def test_the_notebook_has_been_run() -> None:
    """From the first cell to the last in one go, without an error; what its last cell says of its own run holds."""
    cells = code_cells()
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    printing = [cell for cell in cells if isinstance(ast.parse("".join(cell["source"])).body[-1], ast.Expr | ast.For)]
    assert all(cell["outputs"] for cell in printing)
    assert "the same as without a break: True" in "".join(cells[-1]["outputs"][0]["text"])
