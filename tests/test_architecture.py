"""The house stands as it was drawn: imports go down, torch lives on one floor, no room is too large."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import checkpoint

import chargen
from chargen.config import CELLS
from chargen.inference.numpy_cells import UPDATES
from chargen.store.checkpoint import save
from chargen.training.torch_cells import RUNS

ROOT = Path(chargen.__file__).parent
MODULES = {".".join(("chargen", *path.relative_to(ROOT).with_suffix("").parts)): path for path in ROOT.rglob("*.py")}
FLOORS = {
    "chargen.errors": 0,
    "chargen.text": 2,
    "chargen.store": 3,
    "chargen.training": 4,
    "chargen.inference": 4,
    "chargen.arguments": 5,
    "chargen.item_model": 5,
    "chargen.model": 5,
    "chargen.experiments": 6,
    "chargen.web": 6,
    "chargen.bench": 6,
    "chargen.progress": 6,
    "chargen.journal": 7,
    "chargen.api": 7,
    "chargen": 8,
    "chargen.cli": 9,
    "chargen.__main__": 10,
}
"""The floor of a module or package; every other module right below ``chargen`` stands on the first."""
TORCH = ("chargen.training", "chargen.experiments", "chargen.bench")
"""The packages that may import torch."""


def plain(name: str) -> str:
    """A module's name as it is imported."""
    return name.removesuffix(".__init__")


def package(name: str) -> str:
    """The package or module right below ``chargen`` that a module is in or is."""
    return ".".join(name.split(".")[:2])


def floor(name: str) -> int:
    """The floor that a module stands on."""
    return FLOORS.get(package(name), 1)


def imports(path: Path) -> Iterator[str]:
    """Every module that is imported anywhere in a file, also inside functions and for annotations."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            inner = [f"{node.module}.{name.name}" for name in node.names]
            names = {plain(name) for name in MODULES}
            yield from (name if name in names else str(node.module) for name in inner)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down(name: str) -> None:
    """No module imports from a floor above its own, nor training from inference or the other way."""
    for other in imports(MODULES[name]):
        if other.split(".")[0] != "chargen":
            continue
        here, there = floor(plain(name)), floor(other)
        assert there <= here, f"{plain(name)} (floor {here}) climbs to {other} (floor {there})"
        assert {package(plain(name)), package(other)} != {"chargen.training", "chargen.inference"}


def test_the_command_line_begins_without_numpy_and_torch() -> None:
    """A command decides how many threads they start, and once they are loaded it is too late (``chargen.threads``)."""
    code = "import sys, chargen.cli.main; sys.exit(bool({'numpy', 'torch'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", sorted(name for name in MODULES if package(plain(name)) not in TORCH))
def test_torch_is_imported_where_networks_are_trained_alone(name: str) -> None:
    """No other module imports torch, not even inside a function."""
    assert "torch" not in {other.split(".")[0] for other in imports(MODULES[name])}


def test_no_two_modules_import_each_other() -> None:
    """From no module does a way lead back to it."""
    graph = {plain(name): {*imports(path)} & {plain(each) for each in MODULES} for name, path in MODULES.items()}
    for start in graph:
        seen: set[str] = set()
        todo = {name for name in graph[start] if name != start}
        while todo:
            name = todo.pop()
            seen.add(name)
            todo |= graph[name] - seen
        assert start not in seen or start == "chargen", f"a way leads from {start} back to it"


def test_no_two_modules_share_a_name() -> None:
    """Outside the command line, whose modules bear the names of what they show, a name means one thing."""
    names = [plain(name).rpartition(".")[2] for name in MODULES if not name.startswith("chargen.cli.")]
    assert {name for name in names if names.count(name) > 1} <= {"__main__"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_is_too_long(name: str) -> None:
    """Three hundred lines at most; beyond, a module wants a seam."""
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= 300


def test_a_cell_is_a_row_and_two_functions() -> None:
    """Each cell of the table has its function in torch and in NumPy, and no other module knows a cell by its name."""
    assert set(RUNS) == set(UPDATES) == set(CELLS)
    home = {"chargen.config", "chargen.training.torch_cells", "chargen.inference.numpy_cells"}
    for name in MODULES.keys() - home:
        nodes = ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8")))
        assert not {node.value for node in nodes if isinstance(node, ast.Constant)} & CELLS.keys(), name


@pytest.mark.parametrize("name", sorted(name for name in MODULES if package(plain(name)) == "chargen.cli"))
def test_no_function_of_the_command_line_is_too_long(name: str) -> None:
    """A command hands over to the library: the body of a function has sixty lines at most."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            last = node.body[-1].end_lineno
            assert last is not None
            assert last - node.body[0].lineno < 60, node.name


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "model.safetensors", "-p", "ab", "-n", "5", "--seed", "1", "--num-samples", "2"],
        ["sample", "model.safetensors", "--json", "-n", "5"],
        ["report", "model.safetensors"],
        ["export", "model.safetensors", "model.onnx"],
        ["inspect", "model.safetensors"],
        ["export", "model.safetensors", "--html", "page.html"],
        ["corpora"],
        ["--help"],
        ["train", "--help"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_only_training_loads_torch(arguments: list[str], tmp_path: Path) -> None:
    """A process that writes text works where importing torch fails."""
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    save(tmp_path / "model.safetensors", checkpoint())
    done = subprocess.run(
        [sys.executable, "-m", "chargen", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "torch was imported" not in done.stderr


def test_json_is_printed_in_one_place() -> None:
    """The command line writes JSON by ``print_json``, which lets nothing through that is none."""
    writers = [name for name, path in MODULES.items() if name.startswith("chargen.cli") and "json" in imports(path)]
    assert writers == ["chargen.cli.output.terminal"]
