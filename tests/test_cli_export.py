"""``chargen export`` and ``chargen play``."""

import shutil
import webbrowser
from pathlib import Path

import pytest
from conftest import Command
from samples import checkpoint
from test_page import header

from chargen.store.checkpoint import save


@pytest.fixture(autouse=True)
def model(folder: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``model.safetensors`` and a run in the working directory, and a cache of its own."""
    save(folder / "model.safetensors", checkpoint())
    shutil.copytree(trained, folder / "checkpoints" / "tiny")
    monkeypatch.setenv("CHARGEN_CACHE_DIR", str(folder / "cache"))


def test_a_page_is_written(chargen: Command, folder: Path) -> None:
    """Called after the model's file; its path is printed."""
    done = chargen("export", "model.safetensors", "--html", "page.html", "--no-example", "-q")
    assert (done.code, done.out, done.err) == (0, "page.html\n", "")
    assert header((folder / "page.html").read_bytes())["name"] == "model"


def test_a_runs_page_begins_with_held_out_text(chargen: Command, folder: Path, text: str) -> None:
    """From a paragraph on where one begins soon; it is told, and can be left out."""
    done = chargen("export", "tiny", "--html", "page.html")
    found = header((folder / "page.html").read_bytes())
    assert found["name"] == "tiny"
    assert found["example"] in text[-500:]
    assert len(found["example"]) > 100
    assert f"it begins with {len(found['example'])} characters of tiny val and tiny test as an example" in done.err
    assert chargen("export", "tiny", "--html", "page.html", "--no-example", "-q").err == ""
    assert header((folder / "page.html").read_bytes())["example"] == ""


def test_int8_halves_a_page(chargen: Command, folder: Path) -> None:
    """Each matrix takes a byte a weight."""
    chargen("export", "model.safetensors", "--html", "page.html", "--int8")
    tensors = header((folder / "page.html").read_bytes())["tensors"]
    assert {tensor["format"] for tensor in tensors if len(tensor["shape"]) == 2} == {"int8"}


def test_what_cannot_be_exported_is_one_line(chargen: Command, folder: Path) -> None:
    """A folder in the page's place, a missing model, no word of what to make."""
    (folder / "page.html").mkdir()
    assert "cannot write page.html" in chargen("export", "model.safetensors", "--html", "page.html").error
    assert "no checkpoint or run 'nothing'" in chargen("export", "nothing", "--html", "other.html").error
    assert not (folder / "other.html").exists()
    assert chargen("export", "model.safetensors").code == 2


@pytest.mark.parametrize("screen", [True, False])
def test_play_opens_the_page_where_there_is_a_screen(
    chargen: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, screen: bool
) -> None:
    """Its path is printed either way, in the cache folder and the same at each call."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    if screen:
        monkeypatch.setenv("DISPLAY", ":0")
    first, second = (chargen("play", "model.safetensors").out for _ in range(2))
    assert first == second
    page = Path(first.rstrip("\n"))
    assert page.parent == folder / "cache"
    assert header(page.read_bytes())["name"] == "model"
    assert opened == [page.as_uri()] * 2 * screen
