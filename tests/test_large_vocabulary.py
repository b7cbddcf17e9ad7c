"""Twenty thousand distinct characters: a crawl of Chinese text, say."""

from pathlib import Path

import numpy as np
import pytest
import tiny

from chargen import load
from chargen.text.corpus import Texts

IDEOGRAPHS = 20_000


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text in which every one of 20,000 ideographs stands, most of them rarely, as in a real one."""
    random = np.random.default_rng(1)
    ranks = np.concatenate([np.arange(IDEOGRAPHS), random.zipf(1.3, 40_000) % IDEOGRAPHS])
    random.shuffle(ranks)
    path = tmp_path_factory.mktemp("crawl") / "crawl.txt"
    path.write_text("".join(map(chr, 0x4E00 + ranks)), encoding="utf-8")
    return path


def test_every_character_may_have_its_own_id(crawl: Path, tmp_path: Path) -> None:
    """All of them train, sample and score without special settings."""
    result = tiny.train(crawl, tmp_path, steps=2)
    model = load(result.best)
    assert len(model.vocab) == IDEOGRAPHS
    text = model.sample("一丁", length=20, seed=1)
    assert len(text) == 20
    assert set(text) <= set(model.vocab.characters)
    assert 0 < model.score(text).bpc < 20


def test_rare_ones_may_share_an_id(crawl: Path, tmp_path: Path) -> None:
    """With a least count most fall to the reserved id: it is read and charged for, and never written."""
    from chargen.training import start

    texts = Texts(sources=(str(crawl),), min_count=3)
    result = tiny.finish(start.begin(texts, run="rare", root=tmp_path, **tiny.SETTINGS))
    model = load(result.best)
    assert len(model.vocab) < IDEOGRAPHS / 2
    assert model.vocab.unknown_id == len(model.vocab) - 1
    assert "\ufffd" not in model.sample(length=300, temperature=2.0, seed=1)
    rare = next(chr(code) for code in range(0x4E00, 0x4E00 + IDEOGRAPHS) if chr(code) not in model.vocab)
    known = model.vocab.characters
    scored = model.score(f"{known[0]}{rare}{known[1]}")
    assert scored.unknown == 1
    assert np.isfinite(scored.bits).all()
