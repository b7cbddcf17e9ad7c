"""The report of trainings, its charts, and ``chargen report``."""

import base64
import dataclasses
import hashlib
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import samples
from conftest import Command

from chargen.curves import Curve, Plot
from chargen.store import lookup
from chargen.store.checkpoint import load, save
from chargen.store.samples import Sample
from chargen.web.document import document, escaped
from chargen.web.report import SHOWN, Training, report
from chargen.web.svg import chart, number

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</script><script>alert(1)</script><svg onload="x"> & \' \0\x1b\ud800\n'


def training(evaluations: int = 3, name: str = "run", **changes: Any) -> Training:
    """A training that has been evaluated so often."""
    history = tuple(
        samples.evaluation(10 * at, val_bpc=4 / at, train_bpc=3 / at, joint_bpc=None, grad_norm=0.3, seconds=20.0 * at)
        for at in range(1, evaluations + 1)
    )
    made = samples.checkpoint()
    resume = made.resume and dataclasses.replace(made.resume, best_step=20, total_steps=50)
    told = [Sample(10 * at, f"text {at}") for at in range(1, evaluations + 1)]
    return Training(name, dataclasses.replace(made, history=history, resume=resume, **changes), 2.5, told)


def plot(curve: Curve, *, log_y: bool) -> Plot:
    """A plot of one curve."""
    return Plot(title="t", x_label="x", y_label="y", curves=[curve], log_y=log_y)


def parsed(page: bytes) -> ET.Element:
    """The page as XML."""
    return ET.fromstring(page.decode())  # noqa: S314  # our own


def words(page: bytes) -> str:
    """All text that the page shows."""
    body = parsed(page).find("body")
    assert body is not None
    return " ".join(" ".join(body.itertext()).split())


def test_figures_stand_at_the_top() -> None:
    """The best validation, the test, the best step of all, time and speed, parameters."""
    shown = words(report([training()]))
    parameters = samples.checkpoint().model.parameters
    for figure in ("2.000 validation", "2.500 test", "20 best step of 50", "1 min 0 s", f"{parameters} parameters"):
        assert figure.replace(" ", "") in shown.replace(" ", ""), figure


def test_every_evaluation_is_a_point() -> None:
    """In each curve, with what the pointer tells of it; a report of 100 evaluations stays small."""
    page = report([training(100)])
    assert len(page) < 300_000
    charts = list(parsed(page).iter(f"{SVG}svg"))
    assert len(charts) == 4
    for drawn in charts:
        for line in drawn.iter(f"{SVG}g"):
            (points,) = (at.attrib["points"].split() for at in line.iter(f"{SVG}polyline"))
            assert len(points) == len(list(line.iter(f"{SVG}circle"))) == 100
    assert "validation at 20: 2" in words(page)


def test_marks_tell_the_best_step_and_the_clip_limit() -> None:
    """The one upright, the other across."""
    curves, norms, *_ = parsed(report([training()])).iter(f"{SVG}svg")
    assert "best" in "".join(curves.itertext())
    assert "clipped at 1" in "".join(norms.itertext())


def test_samples_are_spread_over_the_training() -> None:
    """A few of many, the first and the last among them."""
    shown = [int(at) for at in re.findall(r"text (\d+)", words(report([training(100)])))]
    assert len(shown) == SHOWN
    assert (shown[0], shown[-1]) == (1, 100)
    assert [at.text for at in parsed(report([training(3)])).iter("pre")] == ["text 1", "text 2", "text 3"]


def test_several_runs_lie_over_each_other() -> None:
    """Each in its colour, with a row of figures and the settings that differ alone."""
    other = training(4, "other", model=dataclasses.replace(samples.checkpoint().model, skip=False))
    page = report([training(3), other])
    first = next(parsed(page).iter(f"{SVG}svg"))
    lines = [(group.attrib["class"], len(line.attrib["points"].split()))
             for group in first.iter(f"{SVG}g") for line in group.iter(f"{SVG}polyline")]  # fmt: skip
    assert lines == [("s0", 3), ("s0", 3), ("s1", 4), ("s1", 4)]
    table = [[cell.text for cell in row] for row in parsed(page).iter("tr")]
    assert table[1][:3] == ["run", "2.000", "2.500"]
    assert table[3:] == [["setting", "run", "other"], ["skip", "True", "False"]]
    assert "none" in words(report([training(), training(name="same")]))


def test_a_training_without_evaluations_has_a_report() -> None:
    """It says that there is nothing to draw yet, whether it can go on or not."""
    for resume in (samples.checkpoint().resume, None):
        nothing = Training("new", dataclasses.replace(samples.checkpoint(), history=(), resume=resume))
        assert "nothing to draw yet" in words(report([nothing], running=True))


def test_a_report_of_a_running_training_tells_its_age() -> None:
    """Whoever looks sees that nothing has come for long, as when the training was killed and the page still reloads."""
    shown = words(report([training()], running=True))
    assert re.search(r"step 30 of 50, written at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d; ", shown)
    assert "written at" not in words(report([training()]))


def test_hostile_names_stay_text() -> None:
    """Whatever a run or a corpus is called, or a sample holds: it becomes no element and no attribute."""
    corpus = dataclasses.replace(samples.checkpoint().corpus, name=HOSTILE)
    hostile = dataclasses.replace(training(corpus=corpus, name=HOSTILE), samples=[Sample(1, HOSTILE)])
    for page in (report([hostile], running=True), report([hostile, training()])):
        tags = {element.tag.removeprefix(SVG) for element in parsed(page).iter()}
        assert tags.isdisjoint({"script", "iframe", "img", "a", "form", "object", "link"})
        assert b"default-src 'none'" in page
        assert not any(name.startswith("on") for element in parsed(page).iter() for name in element.attrib)
        assert "alert(1)" in words(page)
    assert escaped("a\0\x1b\ud800é") == "a\ufffd\ufffd\ufffdé"


def test_the_style_is_what_the_policy_allows() -> None:
    """Its hash stands in the policy; a document that does not go on is not reloaded."""
    page = document("title", "<p>body</p>").decode()
    style = re.search(r"<style>(.*)</style>", page, re.DOTALL)
    assert style is not None
    assert f"sha256-{base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()}" in page
    assert "refresh" not in page


def test_what_cannot_be_drawn_is_left_out() -> None:
    """Values that are not finite, and on a logarithmic axis those not above 0."""
    broken = Curve("broken", [0, 1, 2, 3], [1.0, math.nan, math.inf, 0.0])
    for log_y, left in ((False, 2), (True, 1)):
        drawn = ET.fromstring(chart(plot(broken, log_y=log_y)))  # noqa: S314
        assert len(list(drawn.iter(f"{SVG}circle"))) == left


@pytest.mark.parametrize("values", [[0.2, 0.6], [1e-9, 1.0], [1.0], [5.0, 5.0], [3e-4, 7e3]])
def test_a_logarithmic_axis_holds_all_values(values: list[float]) -> None:
    """However far apart they are, or alike; every point is inside the picture."""
    curve = Curve("curve", range(len(values)), values)
    drawn = ET.fromstring(chart(plot(curve, log_y=True)))  # noqa: S314
    heights = [float(at.attrib["cy"]) for at in drawn.iter(f"{SVG}circle")]
    assert all(0 <= height <= 250 for height in heights)
    assert len(heights) == len(values)


def test_numbers_are_short() -> None:
    """As people write them."""
    shown = [number(value) for value in (0, 0.3, 1234, 12345678, 0.00012, -5, 1e12)]
    assert shown == ["0", "0.3", "1,234", "12,345,678", "0.00012", "-5", "1e+12"]


def test_a_run_is_reported_in_its_folder(chargen: Command, trained: Path, folder: Path) -> None:
    """Or where --output says; of several runs in the working directory, of which each has its path for a name."""
    assert chargen("report", "alice", "-o", "a.html").out == "a.html\n"
    best = load(lookup.find("alice", root=folder)).history[-1].step
    assert f"{best:,} best step" in words((folder / "a.html").read_bytes())
    for name in ("one", "two"):
        (folder / "checkpoints" / name).mkdir(parents=True)
        save(folder / "checkpoints" / name / "best.safetensors", samples.checkpoint())
    assert chargen("report", "one").out == "checkpoints/one/report.html\n"
    assert chargen("report", "one", "two").out == "report.html\n"
    assert "one, two" in words((folder / "report.html").read_bytes())
    (folder / "one").mkdir()
    save(folder / "one" / "best.safetensors", samples.checkpoint())
    chargen("report", "checkpoints/one", "one/best.safetensors", "-o", "b.html")
    assert "checkpoints/one/best.safetensors" in words((folder / "b.html").read_bytes())


def test_a_finished_run_tells_its_test(chargen: Command, trained: Path, folder: Path) -> None:
    """Which stands in its best, while the curve is that of its last."""
    chargen("report", trained, "-o", "a.html")
    page = (folder / "a.html").read_bytes()
    assert "test, bits per character" in words(page)
    line = next(parsed(page).iter(f"{SVG}polyline"))
    assert len(line.attrib["points"].split()) == 2


def test_what_cannot_be_reported_is_an_error(chargen: Command, folder: Path) -> None:
    """A run that is not there, and a file that cannot be written."""
    assert "nowhere" in chargen("report", "nowhere").error
    (folder / "taken").mkdir()
    assert "cannot write taken" in chargen("report", "alice", "-o", "taken").error


def test_a_report_opens_in_the_browser(chargen: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one, and only with --open."""
    opened: list[str] = []
    monkeypatch.setenv("BROWSER", "none")
    monkeypatch.setattr("webbrowser.open", opened.append)
    chargen("report", "alice", "-o", "a.html")
    assert opened == []
    chargen("report", "alice", "-o", "a.html", "--open")
    assert opened == [(folder / "a.html").as_uri()]
