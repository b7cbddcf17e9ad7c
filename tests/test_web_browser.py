"""The page in a real browser: it computes what NumPy computes, looks right, and needs nothing but itself.

Where no Chromium is installed these tests are left out, unless CHARGEN_NEEDS_BROWSER is set.
"""

import base64
import dataclasses
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser as headless
import numpy as np
import pytest
from browser import Browser
from numpy.typing import NDArray
from samples import PORTED, checkpoint, load_corpus
from test_prompt import PROMPTS, READINGS
from test_report import training

from chargen.config import SamplerConfig
from chargen.inference.generate import collect, generate
from chargen.inference.neurons import NamedUnit, unit_values
from chargen.inference.numpy_network import Network
from chargen.inference.score import Scorer
from chargen.inference.text_end import TextEnd
from chargen.store import lookup
from chargen.store.checkpoint import Checkpoint
from chargen.text.vocab import Vocab
from chargen.web.page import architecture, pack, page
from chargen.web.report import report

pytestmark = pytest.mark.skipif(
    headless.COMMAND is None and "CHARGEN_NEEDS_BROWSER" not in os.environ, reason="no Chromium is installed"
)

PHONE, DESKTOP = (390, 844), (1000, 900)
TABS = ("write", "read", "neurons")
UNITS = [
    NamedUnit(name="inside <b>quotes</b>", layer=1, unit=2, sign=-1, correlation=0.8, auc=0.9),
    NamedUnit(name="place in the line", layer=0, unit=3, sign=1, correlation=0.7, auc=float("nan")),
]
EXAMPLE = "a bad cab\n\nadded a bé dab \n" * 12

Opened = Callable[..., Browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with Browser() as started:
        yield started


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Opened:
    """Opens the page of a checkpoint, its screen that of a desktop."""

    def open_page(model: Checkpoint | None = None, **arguments: Any) -> Browser:
        path = tmp_path / "page.html"
        arguments = {"name": "some", "units": UNITS, "example": EXAMPLE, **arguments}
        path.write_bytes(page(model or checkpoint(), **arguments))
        browser.screen(*DESKTOP)
        browser.open(path)
        return browser

    return open_page


@pytest.fixture
def alice(browser: Browser, tmp_path: Path) -> tuple[Browser, Checkpoint]:
    """The page of the pretrained model, opened, and the model."""
    path = lookup.bundled().get(lookup.PRETRAINED)
    assert path is not None
    model = lookup.load(path)
    (tmp_path / "alice.html").write_bytes(page(model, name="alice"))
    browser.open(tmp_path / "alice.html")
    return browser, model


def halved(model: Checkpoint) -> Checkpoint:
    """The checkpoint with the weights that its page has."""
    weights = {name: weight.astype(np.float16).astype(np.float32) for name, weight in model.weights.items()}
    return dataclasses.replace(model, weights=weights)


def in_page(model: Checkpoint, ids: NDArray[np.int64], *, int8: bool = False) -> str:
    """A script that computes the probabilities after each of ``ids`` by both kernels, (2, T, V)."""
    tensors, data = pack(dict(model.weights), int8=int8)
    header = json.dumps({"model": architecture(model.model), "tensors": tensors})
    weights = base64.b64encode(data).decode()
    return f"""
        [decoded(header.kernel), null].map((code) => {{
          const network = new Network({header}, decoded("{weights}"), code);
          if ((network.kernel.name === "WebAssembly") !== (code !== null)) throw new Error(network.kernel.name);
          const state = network.start();
          return {ids.tolist()}.map((id) => Array.from(probabilities(network.step(id, state))));
        }})"""


def in_numpy(model: Checkpoint, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """The same by ``Network``, (T, V)."""
    logits = Network(model.model, model.weights).reader().run(ids).astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares)


@pytest.mark.parametrize("cell", PORTED)
def test_both_kernels_give_the_networks_probabilities(cell: str, opened: Opened) -> None:
    """With skips and without, one-hot and embedded, one to three layers, sizes that fill no block of the kernel."""
    tab = opened()
    ids = np.random.default_rng(0).integers(0, 8, 12)
    for skip, one_hot, layers in itertools.product([True, False], [True, False], [1, 2, 3]):
        size: dict[str, Any] = {"num_layers": layers, "hidden_size": 177, "embedding_size": 5}
        model = halved(checkpoint(unknown=True, scale=0.1, cell=cell, skip=skip, one_hot=one_hot, **size))
        expected = in_numpy(model, ids)
        for shares in tab.evaluate(in_page(model, ids)):
            np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-5)


def test_weights_of_a_byte_are_those_that_were_packed(opened: Opened) -> None:
    """The engine multiplies each by its row's scale."""
    model = checkpoint(scale=0.3, hidden_size=9)
    rounded = dict(halved(model).weights)
    for name, weight in model.weights.items():
        if weight.ndim == 2:
            scale = np.abs(weight).max(axis=1, keepdims=True) / np.float32(127)
            rounded[name] = np.rint(weight / scale) * scale
    ids = np.array([0, 3, 1, 5, 2])
    expected = in_numpy(dataclasses.replace(model, weights=rounded), ids)
    for shares in opened().evaluate(in_page(model, ids, int8=True)):
        np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-5)


def test_a_bidirectional_model_works_with_its_forward_half(opened: Opened) -> None:
    """The page says so, and predicts what the forward half predicts."""
    model = halved(checkpoint(bidirectional=True))
    tab = opened(model)
    assert "bidirectional; its forward half works here" in tab.evaluate("element('about').textContent")
    found = tab.evaluate(
        "(() => { const s = network.start(); return Array.from(probabilities(network.step(2, s))) })()"
    )
    np.testing.assert_allclose(found, in_numpy(model, np.array([2]))[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("unknown", [True, False])
def test_reading_costs_what_score_says(unknown: bool, opened: Opened) -> None:
    """Each character and the mean, unlisted characters among them, whether the model reserves an id for them or not."""
    model = halved(checkpoint(unknown=unknown))
    text = "\nabc é dcb x aß 日b"
    tab = opened(model, example=text)
    tab.evaluate("element('read-tab').click(); element('read-start').click()")
    tab.wait("scored.length === header.example.length && element('read-stop').disabled")
    expected = Scorer(Network(model.model, model.weights).reader(), model.vocab).feed(text)
    assert tab.evaluate("scored.map(({ bits }) => bits)") == pytest.approx(expected.bits.tolist(), abs=1e-4)
    said = tab.evaluate("element('read-status').textContent")
    assert float(said.split()[0]) == pytest.approx(expected.bpc, abs=1e-4)
    assert "3 characters are unknown to the model" in said


def test_prompts_become_the_same_characters_as_in_python(opened: Opened) -> None:
    """Look-alikes, compatibility, marks, the other case, line ends; for several vocabularies."""
    tab = opened()
    cases = [(prompt, load_corpus().vocab.characters, text) for prompt, text in PROMPTS] + READINGS
    cases += [("a\r\nb\rc\n", "abc\n", "a\nb\nc\n"), ("a\r\n", "a\r\n", "a\r\n")]
    for prompt, characters, text in cases:
        vocab = json.dumps({"characters": characters, "unknown": False})
        found = tab.evaluate(f"new Vocab({vocab}, header.alike).fit({json.dumps(prompt)}).text")
        assert found == text, prompt


def test_a_seed_writes_what_sample_writes(alice: tuple[Browser, Checkpoint]) -> None:
    """The pretrained model's first 200 characters with seed 3, at the default settings and at others."""
    tab, model = alice
    network = Network(model.model, model.weights)
    others = [("Alice ", SamplerConfig(temperature=0.5, top_p=0.8)), ("", SamplerConfig(temperature=0))]
    for prompt, sampler in [("", SamplerConfig()), *others]:
        ids = model.vocab.ids_of(prompt)
        (expected,) = collect(generate(network, model.vocab, ids, length=200, seed=3, sampler=sampler))
        chosen = json.dumps({"temperature": sampler.temperature, "topP": sampler.top_p})
        found = tab.evaluate(f"""(() => {{
            const characters = [];
            for (const one of written({json.dumps(prompt)}, {chosen}, 3n)) {{
              if (one) characters.push(vocab.characters[one.id]);
              if (characters.length === 200) return characters.join("");
            }}
        }})()""")
        assert found == expected.text


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 + 5, 3**100])
def test_random_numbers_are_numpys(seed: int, opened: Opened) -> None:
    """PCG64 and its seeding, for seeds of one word and of several."""
    found = opened().evaluate(
        f"(() => {{ const pcg = new Pcg64({seed}n); return [1, 2, 3].map(() => pcg.random()) }})()"
    )
    assert found == np.random.Generator(np.random.PCG64(seed)).random(3).tolist()


def test_the_unknown_id_is_never_drawn(opened: Opened) -> None:
    """However likely the network finds it, at any temperature."""
    model = checkpoint(unknown=True)
    bias = model.weights["readout.bias"].copy()
    bias[-1] = 50
    tab = opened(dataclasses.replace(model, weights={**model.weights, "readout.bias": bias}))
    for temperature in (0, 1, 10):
        drawn = tab.evaluate(f"""(() => {{
            const text = written("", {{ temperature: {temperature}, topP: 1 }}, 1n);
            return Array.from({{ length: 200 }}, () => text.next().value.id);
        }})()""")
        assert max(drawn) < len(model.vocab.characters)


def test_writing_streams_until_it_is_stopped(opened: Opened) -> None:
    """A prompt that does not fit is told of; each new character shows what else it might have been."""
    tab = opened()
    tab.evaluate("element('write-text').value = 'ab Ç'; element('seed').value = '7'; element('write-start').click()")
    tab.wait("drawn.length > 5")
    tab.evaluate("element('write-stop').click()")
    tab.wait("element('write-stop').disabled && element('write-status').textContent.includes('seed 7')")
    assert "“Ç” was read as “c”" in tab.evaluate("element('write-status').textContent")
    assert tab.evaluate("element('write-box').textContent").startswith("ab c")
    tab.evaluate("writing.text.choose(4)")
    assert "was drawn with a probability of" in tab.evaluate("element('write-choice').textContent")
    assert tab.evaluate("document.querySelectorAll('#write-choice .drawn').length") == 1


def of_list(end: str) -> Checkpoint:
    """A model of a list whose items take but a few characters."""
    model = halved(checkpoint(end + "abcdé"))
    bias = model.weights["readout.bias"].copy()
    bias[0] += 1
    vocab = Vocab(model.vocab.characters, end=end)
    return dataclasses.replace(model, vocab=vocab, weights={**model.weights, "readout.bias": bias})


def test_a_model_of_a_list_writes_item_after_item(opened: Opened) -> None:
    """What ``generate`` writes; behind a prompt it ends with the item."""
    model = of_list("\n")
    tab = opened(model)
    network = Network(model.model, model.weights, end=model.vocab.end_id)
    (expected,) = collect(generate(network, model.vocab, length=60, seed=3))
    assert expected.text.count("\n") > 3
    tab.evaluate("element('seed').value = '3'; element('speed').value = 8; element('write-start').click()")
    tab.wait("writing.text.length >= 60")
    tab.evaluate("element('write-stop').click()")
    assert tab.evaluate("element('write-box').textContent").startswith(expected.text)
    (begun,) = collect(generate(network, model.vocab, model.vocab.ids_of("ab"), length=60, seed=3, end=TextEnd(["\n"])))
    tab.evaluate("element('write-text').value = 'ab'; element('write-start').click()")
    tab.wait("element('write-stop').disabled")
    assert tab.evaluate("element('write-box').textContent") == f"ab{begun.text}\n"


def test_each_item_of_a_list_is_read_by_itself(opened: Opened) -> None:
    """In the parts Read and Neurons; the end mark of items of several lines is shown by a sign of its own."""
    model = of_list("\3")
    text = "abba\3c\3\3dab\3"
    tab = opened(model, example=text)
    network = Network(model.model, model.weights, end=model.vocab.end_id)
    expected = Scorer(network.reader(), model.vocab).feed(text)
    tab.evaluate("element('read-tab').click(); element('read-start').click()")
    tab.wait("scored.length === header.example.length && element('read-stop').disabled")
    assert tab.evaluate("scored.map(({ bits }) => bits)") == pytest.approx(expected.bits.tolist(), abs=1e-4)
    assert tab.evaluate("element('read-box').textContent") == text.replace("\3", "\u2403\n")
    tab.evaluate("element('neurons-tab').click(); element('neurons-start').click()")
    tab.wait("memories.length === header.example.length && element('neurons-stop').disabled")
    values = unit_values(network, model.vocab, model.vocab.ids_of(text)).reshape(len(text), -1)
    found = np.array(tab.evaluate("memories.map((values) => Array.from(values))"))
    np.testing.assert_allclose(found / 127, values, atol=0.01)


def test_a_legend_says_what_a_units_colours_mean(opened: Opened) -> None:
    """From one end of a unit's values to the other, in the colours that the text has for them."""
    tab = opened()
    steps = tab.evaluate(
        "Array.from(document.querySelectorAll('#neurons-legend b'), (b) => [b.textContent, b.className])"
    )
    assert steps == [["-1", "low"], ["-0.5", "low"], ["0", "high"], ["0.5", "high"], ["1", "high"]]


def test_a_seed_that_is_no_number_is_said(opened: Opened) -> None:
    """Nothing is written by a seed that was not meant."""
    tab = opened()
    tab.evaluate("element('seed').value = '1.5'; element('write-start').click()")
    assert tab.evaluate("element('write-status').textContent") == "A seed is a whole number, not 1.5."


def test_a_held_unit_keeps_its_value_while_it_writes(opened: Opened) -> None:
    """Off is the side away from what a named unit follows; other units go on by themselves; released, it is free."""
    tab = opened()
    tab.evaluate("element('neurons-tab').click(); document.querySelector('[name=hold][value=off]').click()")
    assert tab.evaluate("element('held').textContent") == "Held while it writes: layer 2, unit 3 off."
    start = len(EXAMPLE)
    tab.evaluate("element('speed').value = 8; element('neurons-write').click()")
    tab.wait(f"memories.length > {start + 20}")
    tab.evaluate("element('neurons-stop').click()")
    values = np.array(tab.evaluate(f"memories.slice({start}).map((values) => Array.from(values))"))
    assert set(values[:, 4 + 2].tolist()) == {round(0.95 * 127)}  # its sign is -1
    assert len(set(values[:, 4 + 1].tolist())) > 1
    tab.evaluate("element('release').click(); element('neurons-write').click()")
    tab.wait(f"memories.length > {start + 20}")
    tab.evaluate("element('neurons-stop').click()")
    assert len(set(tab.evaluate(f"memories.slice({start}).map((values) => values[6])"))) > 1


def test_the_tour_goes_through_the_named_units_and_the_fields_through_all(opened: Opened) -> None:
    """Next and previous go round; a number beyond the last is the last; the text takes the unit's colours."""
    tab = opened()
    tab.evaluate("element('neurons-tab').click(); element('neurons-start').click()")
    tab.wait("element('neurons-status').textContent.startsWith('324 characters')")
    shown = "[element('unit-name').selectedOptions[0].text, element('unit-layer').value, element('unit-number').value]"
    assert tab.evaluate(shown) == ["inside <b>quotes</b> (layer 2, unit 3, r -0.80, AUC 0.90)", "2", "3"]
    colours = tab.evaluate("Array.from(document.querySelectorAll('#neurons-box span'), (span) => span.className)")
    values = tab.evaluate("memories.map((values) => -values[6])")
    for colour, value in zip(colours, values, strict=True):
        assert ("low" if value < 0 else "high") in colour.split()
    for button, expected in [("next", ["1", "4"]), ("next", ["2", "3"]), ("previous", ["1", "4"])]:
        tab.evaluate(f"element('unit-{button}').click()")
        assert tab.evaluate(shown)[1:] == expected
    tab.evaluate("element('unit-number').value = 99; element('unit-number').dispatchEvent(new Event('change'))")
    assert tab.evaluate(shown)[1:] == ["1", "4"]
    tab.evaluate("element('unit-number').value = 1; element('unit-number').dispatchEvent(new Event('change'))")
    tab.evaluate("element('unit-previous').click()")
    assert tab.evaluate(shown) == ["any, by layer and number", "2", "4"]


def test_everything_can_be_done_with_the_keyboard(opened: Opened) -> None:
    """Tabs by arrows, buttons by Enter, the text's characters by arrows, Home and End."""
    tab = opened()
    tab.evaluate("element('write-tab').focus()")
    tab.press("ArrowRight")
    assert tab.evaluate("[document.activeElement.id, element('read').hidden]") == ["read-tab", False]
    tab.press("Tab", "Tab")
    assert tab.evaluate("document.activeElement.id") == "read-start"
    tab.press("Enter")
    tab.wait("element('read-status').textContent.includes('over 324 characters')")
    tab.press("Tab", "Tab")  # Stop is out of order, so the first goes to Copy
    assert tab.evaluate("document.activeElement.id") == "read-box"
    tab.press("Home", "ArrowRight", "ArrowRight")
    assert tab.evaluate("reading.text.chosen") == 2
    assert tab.evaluate("element('read-choice').textContent").startswith("“b” took ")
    tab.press("ArrowDown", "ArrowDown")
    assert tab.evaluate("reading.text.chosen") == len("a bad cab\n\n")
    tab.press("ArrowRight", "ArrowUp", "ArrowUp", "ArrowLeft")
    assert tab.evaluate("reading.text.chosen") == 0
    tab.press("End")
    assert tab.evaluate("reading.text.chosen") == 323


def test_a_page_asks_for_nothing_and_complains_of_nothing(opened: Opened) -> None:
    """No request beside the page itself and an empty console, whatever is pressed; hostile text stays text."""
    hostile = "</script><script>alert(1)</script>"
    tab = opened(name=hostile, example=hostile + EXAMPLE)
    assert tab.evaluate("document.querySelector('h1').textContent") == f"chargen: {hostile}"
    assert tab.evaluate("element('read-text').value").startswith(hostile)
    assert tab.evaluate("[element('unit-name').children.length, document.querySelectorAll('option b').length]") == [
        3,
        0,
    ]
    for name in TABS:
        tab.evaluate(f"element('{name}-tab').click(); element('{name}-start').click()")
        tab.wait(f"element('{name}-box').children.length > 20")
        tab.evaluate(f"element('{name}-stop').click()")
    assert (tab.messages, len(tab.requests)) == ([], 1)


def test_a_page_works_without_webassembly(opened: Opened) -> None:
    """Where the browser has none the products are taken in JavaScript."""
    tab = opened()
    script = tab.call("Page.addScriptToEvaluateOnNewDocument", source="delete globalThis.WebAssembly")
    tab = opened()
    assert tab.evaluate("network.kernel.name") == "JavaScript"
    assert tab.messages == []
    tab.call("Page.removeScriptToEvaluateOnNewDocument", **script)


def test_nothing_goes_beyond_a_phones_screen_and_everything_can_be_touched(opened: Opened) -> None:
    """At 390 pixels nothing scrolls sideways, and what can be pressed is at least 44 pixels large."""
    tab = opened(name="a" * 70)
    tab.screen(*PHONE, phone=True)
    for name in TABS:
        tab.evaluate(f"element('{name}-tab').click(); element('{name}-start').click()")
        tab.wait(f"element('{name}-box').children.length > 20")
        tab.evaluate(f"element('{name}-stop').click(); element('{name}-box').firstChild.click()")
        assert tab.evaluate("document.documentElement.scrollWidth") == PHONE[0], name
        small = tab.evaluate("""
            Array.from(document.querySelectorAll("button, select, textarea, input"), (node) => {
              const target = node.type === "radio" ? node.parentNode : node;
              const { width, height } = target.getBoundingClientRect();
              return [node.id || node.value, width, height];
            }).filter(([, width, height]) => width && (width < 44 || height < 44))""")
        assert small == [], name


@pytest.mark.parametrize(("evaluations", "seen"), [(1, True), (2, False)])
def test_a_lone_evaluation_is_seen_in_the_charts(
    evaluations: int, seen: bool, browser: Browser, tmp_path: Path
) -> None:
    """As a dot, where there is no line yet."""
    (tmp_path / "report.html").write_bytes(report([training(evaluations)]))
    browser.open(tmp_path / "report.html")
    fills = browser.evaluate("Array.from(document.querySelectorAll('circle'), (dot) => getComputedStyle(dot).fill)")
    assert fills
    assert all((fill != "rgba(0, 0, 0, 0)") == seen for fill in fills)


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_can_be_read(dark: bool, opened: Opened) -> None:
    """Contrast of at least 4.5 (WCAG 2, level AA) by day and by night, also where a character's colour is strongest."""
    tab = opened()
    tab.screen(*DESKTOP, dark=dark)
    for name in TABS:
        tab.evaluate(f"element('{name}-tab').click(); element('{name}-start').click()")
        tab.wait(f"element('{name}-box').children.length > 20")
        tab.evaluate(f"element('{name}-stop').click(); element('{name}-box').firstChild.click()")
        for colour in ("surprise", "high", "low"):
            tab.evaluate(f"({{ write: writing, read: reading, neurons }}).{name}.text.shade(0, '{colour}', 1)")
            assert tab.evaluate(CONTRASTS) == [], (name, colour)


CONTRASTS = """(() => {
  const parts = (colour) => { const found = colour.match(/[0-9.]+/g).map(Number); return [...found, 1].slice(0, 4) };
  const over = (top, under) => [0, 1, 2].map((at) => top[3] * top[at] + (1 - top[3]) * under[at]).concat(1);
  const background = (node) => node
    ? over(parts(getComputedStyle(node).backgroundColor), background(node.parentElement))
    : [255, 255, 255, 1];
  const luminance = (colour) => colour.slice(0, 3)
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const texts = Array.from(document.querySelectorAll("main *")).filter((node) => node.checkVisibility() &&
    (node.value || Array.from(node.childNodes).some((child) => child.nodeType === 3 && child.data.trim())));
  return texts.map((node) => {
    const under = background(node);
    const [high, low] = [over(parts(getComputedStyle(node).color), under), under].map(luminance).sort((a, b) => b - a);
    return [node.outerHTML.slice(0, 80), (high + 0.05) / (low + 0.05)];
  }).filter(([, contrast]) => contrast < 4.5);
})()"""
"""The visible elements with text whose contrast is too low, and how low."""
