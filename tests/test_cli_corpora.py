"""``chargen corpora``."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from chargen.cli.corpora import corpora
from chargen.errors import ConfigError
from chargen.text import cache
from chargen.text.id_file import Header


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder with one large corpus in it."""
    monkeypatch.setenv("CHARGEN_CACHE_DIR", str(tmp_path / "cache"))
    cache.save(Header("tale", "ab", False, "", 1, 0, (1500,)), [np.zeros(1500, np.uint8)])
    return tmp_path / "cache"


def run(*arguments: str) -> Result:
    """What the command prints."""
    app = typer.Typer()
    app.command()(corpora)
    return CliRunner().invoke(app, list(arguments))


def test_corpora_lists_what_is_built_in() -> None:
    """Off a terminal the list is plain: a line a corpus, tabs between size, distinct characters and hash."""
    lines = [line.split("\t") for line in run().stdout.splitlines()]
    digest = "99e53cbb0aeb274344a254733db996ca2d05d5fcd10fc0ca02d6966f2b2bc961"
    assert lines[0] == ["name", "characters", "distinct", "sha256"]
    assert ["alice", "148,480", "72", digest] in lines


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal that is wide enough the same is drawn as a table."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "140")
    drawn = run().stdout
    assert "alice" in drawn
    assert "│" in drawn
    assert "\t" not in drawn


def test_corpora_as_json() -> None:
    """With --json the numbers are numbers."""
    [alice] = [row for row in json.loads(run("--json").stdout)["corpora"] if row["name"] == "alice"]
    assert (alice["characters"], alice["distinct"], len(alice["sha256"])) == (148_480, 72, 64)


def test_cache_lists_large_corpora(folder: Path) -> None:
    """With --cache the list is of what is cached, and a note says where."""
    result = run("--cache")
    assert result.stdout.splitlines()[1].startswith("tale\t1,500\t1.")
    assert str(folder) in result.stderr
    [entry] = json.loads(run("--cache", "--json").stdout)["entries"]
    assert (entry["name"], entry["characters"], Path(entry["path"]).parent) == ("tale", 1500, folder)


def test_clear_empties_the_cache(folder: Path) -> None:
    """--cache --clear removes what was listed, and what play keeps, and says how much that was."""
    cache.page("model").write_bytes(b"page")
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert json.loads(run("--cache", "--clear", "--json").stdout) == {
        "folder": str(folder),
        "removed": 1,
        "freed": size,
    }
    assert list(folder.iterdir()) == []
    assert run("--cache").stdout == ""
    assert "0 bytes" in run("--cache", "--clear").stderr


def test_a_damaged_entry_is_listed_and_cleared(folder: Path) -> None:
    """Whatever it holds in the place of a header."""
    [entry] = json.loads(run("--cache", "--json").stdout)["entries"]
    Path(entry["path"]).write_bytes(b"[" * 200_000 + b"\n")
    [damaged] = json.loads(run("--cache", "--json").stdout)["entries"]
    assert (damaged["name"], damaged["path"]) == ("(damaged)", entry["path"])
    assert json.loads(run("--cache", "--clear", "--json").stdout)["freed"] >= 200_001
    assert list(folder.iterdir()) == []


def test_clear_needs_cache(folder: Path) -> None:
    """--clear alone removes nothing."""
    assert isinstance(run("--clear").exception, ConfigError)
    assert list(folder.iterdir()) != []
