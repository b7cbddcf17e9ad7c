"""The compressors that models are held against."""

import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "compressors.py"


@pytest.fixture(scope="module")
def compressors() -> ModuleType:
    """The script, imported."""
    spec = importlib.util.spec_from_file_location("compressors", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def table(
    compressors: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, tuple[float, float]]]:
    """Runs the script: validation and test bits per character by compressor."""

    def run(*arguments: str) -> dict[str, tuple[float, float]]:
        monkeypatch.setattr(sys, "argv", ["compressors.py", *arguments])
        compressors.main()
        _, *rows, _ = (line.rsplit(maxsplit=2) for line in capsys.readouterr().out.splitlines())
        return {name: (float(val), float(test)) for name, val, test in rows}

    return run


def test_a_split_costs_what_it_adds_to_what_came_before(compressors: ModuleType) -> None:
    """In bits a character, also where characters take several bytes; nothing before or nothing to score among it."""
    bits = compressors.bits_per_character
    assert bits(lambda data: data * 2, "ab\u20accd", range(1, 4)) == pytest.approx((1 + 3 + 1) * 2 * 8 / 3)
    assert bits(lambda data: data + b"header", "abcd", range(4)) == 8
    assert math.isnan(bits(bytes, "abcd", range(4, 4)))


def test_every_compressor_is_primed(table: Callable[..., dict[str, tuple[float, float]]], tmp_path: Path) -> None:
    """What repeats the text before it costs next to nothing, new text much more."""
    repeated, fresh = "".join(map(chr, range(33, 126))) * 3, "zyxwvutsrqponmlkjihgfedcba" * 7
    (tmp_path / "text.txt").write_text(repeated + repeated[:93] + fresh[:186])
    found = table(str(tmp_path / "text.txt"), "--val-fraction", "0.16666", "--test-fraction", "0.33333")
    assert len(found) == 3
    for name, (val, test) in found.items():
        assert 0 <= val < 0.6, name
        assert test > 2 * val, name


def test_ppmd_is_chosen_on_the_validation_split(compressors: ModuleType, text: str) -> None:
    """The settings that need least there win, and are named."""
    val = range(4000, 4500)
    settings = [("H", 2, 1), ("H", 6, 16), ("I", 3, 4)]
    scores = {
        name: compressors.bits_per_character(compress, text, val)
        for setting in settings
        for name, compress in [compressors.best_ppmd(text, val, [setting])]
    }
    assert list(scores) == ["PPMd H, order 1, 2 MB", "PPMd H, order 16, 6 MB", "PPMd I, order 4, 3 MB"]
    assert compressors.best_ppmd(text, val, settings)[0] == min(scores, key=scores.__getitem__)


def test_alice_costs_what_is_published(table: Callable[..., dict[str, tuple[float, float]]]) -> None:
    """PPMd H of order 8 needs 1.836 bits per character on validation and 2.036 on the test split."""
    found = table("--variant", "H", "--order", "8", "--memory", "16")
    assert found["PPMd H, order 8, 16 MB"] == (1.836, 2.036)
