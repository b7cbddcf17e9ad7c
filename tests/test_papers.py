"""The papers stay true: what README, CONTRIBUTING and docs say can be typed, run, opened and found."""

import os
import re
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest
import tiny
import typer

import chargen
from chargen.cli.main import app

ROOT: Final = Path(__file__).parent.parent
README: Final = ROOT / "README.md"
PYTHON: Final = ROOT / "docs" / "python.md"
PAPERS: Final = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS: Final[dict[str, Any]] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTION: Final = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")

SIZES: Final = ("epochs", "steps", "hidden_size")
"""Settings of the papers' trainings that tests make smaller."""

in_every_paper: Final = pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)


def code(paper: Path) -> list[str]:
    """The lines of a paper's indented blocks, and its spans of code, each in one line."""
    text = FENCED.sub("", paper.read_text(encoding="utf-8"))
    blocks = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    return blocks + [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def options_of(command: str) -> set[str]:
    """Every option that a command's help lists."""
    return {name for parameter in COMMANDS[command].params for name in (*parameter.opts, *parameter.secondary_opts)}


ALL_OPTIONS: Final = {name for command in COMMANDS for name in options_of(command)} | {"--help", "--version"}


@in_every_paper
def test_every_command_in_a_paper_parses(paper: Path) -> None:
    """What stands there as a call of chargen is one: its command, options and arguments are taken as they are."""
    for line in code(paper):
        words = shlex.split(line, comments=True) if "chargen " in line else []
        if len(words) < 2 or Path(words[0]).name != "chargen":
            continue
        name, *arguments = words[1:]
        if name == "--help":
            continue
        assert name in COMMANDS, line
        if arguments and arguments != ["--help"]:
            COMMANDS[name].make_context(name, arguments)  # which raises what a person would be told


@in_every_paper
def test_every_option_in_a_paper_exists(paper: Path) -> None:
    """An option that is named stands in a command's help, or in the other program that is called there."""
    for line in code(paper):
        named = set(OPTION.findall(line))
        script = re.search(r"benchmarks/\w+\.py", line)
        if script:
            text = (ROOT / script[0]).read_text(encoding="utf-8")
            assert all(f'"{option}"' in text for option in named), line
        elif not line.startswith(("torchrun ", "pip ", "gzip ")):
            assert named <= ALL_OPTIONS, line


@in_every_paper
def test_every_link_in_a_paper_leads_somewhere(paper: Path) -> None:
    """A relative link leads to a file that is there, and its anchor to a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", paper.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = paper.parent / path if path else paper
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert anchor in anchors, target


@in_every_paper
def test_every_path_in_a_paper_exists(paper: Path) -> None:
    """A span of code that names a file of the project names one that is there."""
    for line in code(paper):
        if re.fullmatch(r"(?:chargen|benchmarks|tests|examples|docs|corpora)/[\w./-]+", line) and "NAME" not in line:
            assert (ROOT / line).exists(), line


def test_the_readme_is_short() -> None:
    """One hundred and fifty lines at most: what is more has a place in docs."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_tree_is_that_of_the_package() -> None:
    """CONTRIBUTING lists every file of the package, each in its folder, and none that is not there."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = text.partition("## The tree")[2].partition("\n## ")[0]
    listed, folders = set(), [Path()]
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip()) - 4) // 2
        name = line.split()[0] if line.strip() else ""
        if name.endswith("/"):
            folders[depth + 1 :] = [folders[depth] / name]
        elif name:
            listed.add(folders[depth] / name)
    package = {path for path in (ROOT / "chargen").rglob("*.*") if "__pycache__" not in path.parts}
    modules = {path.relative_to(ROOT) for path in package if path.name not in ("__init__.py", "py.typed")}
    assert {path for path in listed if path.parts[0] == "chargen"} - {Path("chargen/__init__.py")} == modules
    assert all((ROOT / path).exists() for path in listed if path.suffix)


def test_every_public_name_is_explained() -> None:
    """docs/python.md has each name of ``chargen.__all__`` and each public method of ``Model``."""
    text = PYTHON.read_text(encoding="utf-8")
    for name in chargen.__all__:
        assert f"chargen.{name}" in text or f"`{name}`" in text or name == "Model", name
    for name, value in vars(chargen.Model).items():
        if callable(value) and not name.startswith("_"):
            assert f"model.{name}" in text, name


def test_the_python_of_the_papers_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of docs/python.md run one after the other as a program would, on a small text and tiny networks."""
    train = chargen.train

    def small(*sources: str, **given: Any) -> Any:
        settings = {**tiny.SETTINGS, "steps": 60}  # of which the block on stopping does 50
        if "init_from" in given:  # which brings its own architecture
            settings = {name: value for name, value in settings.items() if name in ("steps", "batch_size", "bptt")}
        return train(*sources, **{name: value for name, value in given.items() if name not in SIZES}, **settings)

    monkeypatch.setattr(chargen, "train", small)
    names: dict[str, Any] = {}
    for language, block in FENCED.findall(PYTHON.read_text(encoding="utf-8")):
        assert language == "python"
        exec(compile(block, str(PYTHON), "exec"), names)  # noqa: S102  # it is the project's own


def test_a_checkpoint_is_read_as_its_paper_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of docs/checkpoint.md reads the pretrained model without chargen."""
    monkeypatch.chdir(ROOT)
    [(language, block)] = FENCED.findall((ROOT / "docs" / "checkpoint.md").read_text(encoding="utf-8"))
    assert language == "python"
    exec(compile(block, "checkpoint.md", "exec"), {})  # noqa: S102  # it is the project's own


def start(example: str, *arguments: object) -> "subprocess.Popen[str]":
    """An example as a program of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / example), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def output(example: str, *arguments: object) -> str:
    """What an example prints."""
    with start(example, *arguments) as process:
        text, _ = process.communicate()
    assert process.returncode == 0
    return text


def test_an_example_trains_and_samples(folder: Path, text_file: Path) -> None:
    """examples/train_and_sample.py says how good its model is, and has it write."""
    printed = output("train_and_sample.py", text_file, "--steps", 4, "--hidden-size", 8)
    assert "bits per character in validation" in printed
    assert len(printed.partition("\n\n")[2]) > 300


def test_an_example_scores_a_text(folder: Path, trained: Path) -> None:
    """examples/score_a_text.py gives the bits of a text and its most surprising words."""
    (folder / "letter.txt").write_text("Alice was beginning to get very tired.\n", encoding="utf-8")
    printed = output("score_a_text.py", trained, "letter.txt").splitlines()
    assert "bits per character" in printed[0]
    assert len(printed) == 6
    assert {line.split()[1] for line in printed[1:]} <= {"Alice", "was", "beginning", "to", "get", "very", "tired."}


def test_an_example_scores_the_last_word_too(folder: Path, trained: Path) -> None:
    """A text that ends without a line end is no shorter."""
    (folder / "letter.txt").write_text("tired", encoding="utf-8")
    assert output("score_a_text.py", trained, "letter.txt").splitlines()[1].split()[1] == "tired"


def test_an_example_streams_to_a_page(folder: Path, trained: Path) -> None:
    """examples/stream_to_a_page.py serves a page that holds a new text."""
    with start("stream_to_a_page.py", trained, 0) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310  # it is the example's own
                page = answer.read().decode()
        finally:
            process.kill()
    assert page.startswith("<!doctype html>")
    assert len(page) > 1000


def test_an_example_fills_a_gap(folder: Path, text_file: Path) -> None:
    """examples/fill_a_gap.py shows the likeliest fillings with their probabilities."""
    run = tiny.train(text_file, folder, bidirectional=True, run="both")
    printed = output("fill_a_gap.py", run.best, "very t_red").splitlines()
    assert len(printed) == 3
    assert all("%" in line and "very t" in line for line in printed)
