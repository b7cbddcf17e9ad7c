"""The page of a model, as bytes: what is in it, what cannot get out of it, and what is refused."""

import base64
import dataclasses
import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest
from samples import PORTED, checkpoint

from chargen.errors import CheckpointError, MismatchError
from chargen.inference.neurons import NamedUnit
from chargen.store.checkpoint import Checkpoint
from chargen.web.page import pack, page

HOSTILE = "</script><script>alert(1)</script><!--{{weights}}"


def header(data: bytes) -> dict[str, Any]:
    """The JSON header of a page."""
    found = re.search(rb'<script id="header" type="application/json">(.*?)</script>', data, re.DOTALL)
    assert found is not None
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def weights(data: bytes) -> bytes:
    """The packed weights of a page."""
    found = re.search(rb'<script id="weights" type="text/plain">(.*?)</script>', data, re.DOTALL)
    assert found is not None
    return base64.b64decode(found[1], validate=True)


def test_the_same_model_gives_the_same_bytes() -> None:
    """Nothing of the time, the machine or the order of a set is in a page."""
    assert page(checkpoint(), name="some") == page(checkpoint(), name="some")


@pytest.mark.parametrize("int8", [False, True])
def test_a_page_is_hardly_larger_than_its_weights(int8: bool) -> None:
    """At most four thirds of the weights' bytes, which base64 takes, and 80 kB."""
    made = page(checkpoint(hidden_size=100), name="some", int8=int8)
    size = checkpoint(hidden_size=100).model.parameters * (1 if int8 else 2)
    assert len(made) <= size * 4 / 3 + 80_000


def test_hostile_text_stays_text() -> None:
    """A name, a character, an example or a unit's name that closes a script or names a gap in the template is text."""
    unit = NamedUnit(name=HOSTILE, layer=0, unit=1, sign=1, correlation=0.5, auc=float("nan"))
    made = page(checkpoint("\n <>/{}sctript"[:10]), name=HOSTILE, units=[unit], example=HOSTILE)
    plain = page(checkpoint("\n abcdefgh"), name="some")
    assert made.count(b"<script") == plain.count(b"<script")
    assert made.count(b"</script") == plain.count(b"</script")
    assert b"alert(1)</title>" not in made
    found = header(made)
    assert (found["name"], found["example"]) == (HOSTILE, HOSTILE)
    assert (found["units"][0]["name"], found["units"][0]["auc"]) == (HOSTILE, None)


def test_a_page_runs_its_own_scripts_alone_and_loads_nothing() -> None:
    """The policy allows what it knows by hash, and everything else is forbidden."""
    made = page(checkpoint(), name="some").decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', made)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src ")
    scripts = re.findall(r"<script>(.*?)</script>", made, re.DOTALL)
    assert len(scripts) == policy[1].partition("style-src")[0].count("'sha256-")
    for text in [*scripts, *re.findall(r"<style>(.*?)</style>", made, re.DOTALL)]:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]
    assert not re.search(r"https?://|src=|<link|<img|url\(|@import", made.partition('<script id="header"')[0])


def test_a_page_says_what_the_engine_needs() -> None:
    """Architecture, vocabulary, losses and the tensors in the order of their bytes."""
    made = page(checkpoint("\n ab", unknown=True, cell="peephole"), name="some")
    found = header(made)
    assert found["model"]["cell"] == "peephole"
    assert found["vocab"] == {"characters": "\n ab", "unknown": True, "end": None}
    assert (found["val_bpc"], found["test_bpc"]) == (2.25, 2.5)
    first, second = found["tensors"][:2]
    assert second["start"] == first["start"] + 2 * np.prod(first["shape"])
    values = np.frombuffer(weights(made), "<f2", np.prod(first["shape"])).reshape(first["shape"])
    np.testing.assert_array_equal(values, checkpoint("\n ab", unknown=True).weights[first["name"]].astype(np.float16))


def test_a_bidirectional_model_gives_its_forward_half() -> None:
    """What only the backward half and both together need is left out, and counts for no size."""
    both = checkpoint(bidirectional=True)
    found = header(page(both, name="some"))
    assert {tensor["name"] for tensor in found["tensors"]} == set(checkpoint().weights)
    assert found["model"]["bidirectional"] is True


def test_bytes_stand_for_multiples_of_a_rows_largest_weight() -> None:
    """With int8 no weight of a matrix is off by more than half a 127th of its row's largest; vectors stay halves."""
    weight = np.array([[1, -2, 0.5], [0, 0, 0], [1e-3, 3e4, 7]], np.float32)
    tensors, data = pack({"matrix": weight, "vector": weight[0]}, int8=True)
    scales = np.frombuffer(data, "<f4", 3)[:, None]
    steps = np.frombuffer(data, np.int8, 9, offset=12).reshape(3, 3)
    assert np.abs(steps).max(axis=1).tolist() == [127, 0, 127]
    assert (np.abs(scales * steps - weight) <= scales / 2 * 1.001).all()
    assert [tensor["format"] for tensor in tensors] == ["int8", "float16"]
    np.testing.assert_array_equal(np.frombuffer(data, "<f2", 3, offset=21), weight[0].astype(np.float16))


def large(units: int) -> Checkpoint:
    """A checkpoint that says it is large; nothing of it is ever read."""
    small = checkpoint()
    return dataclasses.replace(small, model=dataclasses.replace(small.model, hidden_size=units), weights={})


def test_a_model_too_large_for_a_browser_is_refused() -> None:
    """With its size and what to do: fewer bytes a weight where that suffices, else a smaller model."""
    with pytest.raises(MismatchError, match=r"would take \d+ MB, more than the 200 MB .* --int8 makes it \d+ MB"):
        page(large(2700), name="some")
    for int8 in (False, True):
        with pytest.raises(MismatchError, match="train a smaller model"):
            page(large(9000), name="some", int8=int8)


def test_a_weight_beyond_float16_is_refused() -> None:
    """It would become infinite; a matrix takes it with a byte a weight."""
    with pytest.raises(CheckpointError, match=r"readout.bias holds 7e\+04, too large .* train the model again"):
        pack({"readout.bias": np.array([1, -7e4], np.float32)})
    matrix = {"readout.weight": np.array([[1, -7e4]], np.float32)}
    with pytest.raises(CheckpointError, match="give --int8"):
        pack(matrix)
    assert len(pack(matrix, int8=True)[1]) == 4 + 2


def test_without_scripts_a_page_says_what_it_needs() -> None:
    """What only works with them stays hidden."""
    made = page(checkpoint(), name="some")
    assert b"<noscript><p>This page computes a language model in the browser, which takes JavaScript." in made
    assert b'<main id="page" hidden>' in made


def test_a_cell_that_the_engine_lacks_is_refused() -> None:
    """Rather than a page that fails in the browser."""
    for cell in PORTED:
        assert page(checkpoint(cell=cell), name="m")
    made = checkpoint(cell="rnn")
    unknown = dataclasses.replace(made.model)
    object.__setattr__(unknown, "cell", "minimal")
    with pytest.raises(MismatchError, match="the page's engine has no minimal cell"):
        page(dataclasses.replace(made, model=unknown), name="m")
