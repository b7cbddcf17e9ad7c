"""The bits of each character as a page."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import samples
from conftest import Command

from chargen.inference.score import Scored
from chargen.store.checkpoint import save
from chargen.web.heatmap import STEPS, Passage, heat_map, step


@pytest.fixture
def model(folder: Path) -> str:
    """A small model of random weights in the working directory."""
    save(folder / "model.safetensors", samples.checkpoint("\n abcdé"))
    return "model.safetensors"


def text(page: ET.Element) -> str:
    """The text that is coloured, as it was."""
    (shown,) = (element for element in page.iter("div") if element.attrib.get("class") == "text")
    return "".join(shown.itertext()).replace("↵", "")


def parsed(page: bytes) -> ET.Element:
    """The page as XML."""
    return ET.fromstring(page.decode())  # noqa: S314  # our own


def test_every_character_has_its_colour_and_its_bits() -> None:
    """Those below one bit have neither; line breaks that surprised are seen."""
    passage = Passage("name", "ab<\nc", Scored(np.array([0.5, 1.0, 3.96, 9.0, 7.9]), 1))
    page = parsed(heat_map("model", [passage]))
    marked = [(element.text, element.attrib["class"], element.attrib["title"])
              for element in page.iter("i") if "title" in element.attrib]  # fmt: skip
    assert marked == [("b", "h1", "1.0"), ("<", "h2", "4.0"), ("↵\n", "h4", "9.0"), ("c", "h3", "7.9")]
    assert text(page) == "ab<\nc"
    shown = " ".join(page.itertext())
    assert "4.4720 bits per character in 5 characters, 1 of them unknown" in shown


def test_steps_cover_all_bits() -> None:
    """Each ends where the next begins."""
    assert [step(bits) for bits in (0, 0.99, 1, 2, 3.99, 4, 8, 100)] == [0, 0, 1, 2, 2, 3, 4, 4]
    assert len(STEPS) == 5


def test_hostile_texts_stay_text() -> None:
    """A name or a text becomes no element."""
    hostile = "</div><script>alert('x')</script>\0\ud800"
    for bits in (0.0, 5.0):
        page = heat_map(hostile, [Passage(hostile, hostile, Scored(np.full(len(hostile), bits), 0))])
        assert not [*parsed(page).iter("script")]
        assert text(parsed(page)).startswith("</div><script>alert('x')</script>")


@pytest.mark.parametrize("more", [[], ["--remember"], ["--with", "model.safetensors"], ["--adapt", "--remember"]])
def test_score_writes_the_page_instead_of_colours(more: list[str], chargen: Command, model: str, folder: Path) -> None:
    """Whatever predicts; the table stays."""
    result = chargen("score", model, "-", "--per-char", "--html", "out.html", "-q", *more, stdin=b"abc\nabc " * 20)
    assert [line.split("\t")[0] for line in result.out.splitlines()] == ["text", "stdin"]
    page = parsed((folder / "out.html").read_bytes())
    assert text(page) == "abc\nabc " * 20
    bpc = result.out.splitlines()[1].split("\t")[3]
    assert f"{bpc} bits per character" in " ".join(page.itertext())


def test_a_page_that_cannot_be_written_is_known_before_the_work(chargen: Command, model: str, folder: Path) -> None:
    """And the page is of single characters, so --per-char has to be asked for."""
    result = chargen("score", model, "-", "--html", "out.html", stdin=b"a")
    assert (result.code, "--per-char" in result.error) == (2, True)
    result = chargen("score", model, "-", "--per-char", "--html", str(folder), stdin=b"a")
    assert (result.code, "is a folder" in result.error) == (2, True)
