"""What a training leaves beside its checkpoints: samples along its way and a report."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny

from chargen import api, journal
from chargen.config import MARK
from chargen.errors import RunError
from chargen.journal import recorded
from chargen.store import samples
from chargen.store.checkpoint import load
from chargen.store.samples import Sample
from chargen.text.corpus import Texts
from chargen.training import start
from chargen.training.distributed import World
from chargen.training.events import Evaluated, Event, Finished

SVG = "{http://www.w3.org/2000/svg}"


def train(text_file: Path, root: Path, **wanted: Any) -> list[Any]:
    """The events of a small training with five evaluations."""
    return list(recorded(tiny.begin(text_file, root, **{"steps": 10, "eval_every": 2, "preview": 5, **wanted})))


def learning_curves(folder: Path) -> list[str]:
    """The lines of the first chart of a run's report, as they are drawn."""
    page = ET.fromstring((folder / "report.html").read_text(encoding="utf-8"))  # noqa: S314  # our own
    chart = next(page.iter(f"{SVG}svg"))
    return [line.attrib["points"] for line in chart.iter(f"{SVG}polyline")]


def test_each_evaluation_leaves_a_sample_and_a_point(text_file: Path, tmp_path: Path) -> None:
    """The sample comes with the event too; once the training is done, the page no longer reloads itself."""
    events = train(text_file, tmp_path)
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    found = samples.read(tmp_path / "run" / "samples.jsonl")
    assert found == [Sample(event.evaluation.step, event.sample) for event in evaluated]
    assert [len(sample.text) for sample in found] == [journal.LENGTH] * 5
    assert [len(points.split()) for points in learning_curves(tmp_path / "run")] == [5, 5]
    assert 'http-equiv="refresh"' not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_an_end_mark_is_never_shown(tmp_path: Path) -> None:
    """Items that may hold line ends stand on lines of their own in a sample."""
    file = tmp_path / "poems.txt"
    file.write_text("".join(f"a\nb{number}\n***\n" for number in range(300)), encoding="utf-8")
    texts = Texts(sources=(str(file),), separator="***")
    events = recorded(start.begin(texts, run="run", root=tmp_path, **{**tiny.SETTINGS, "preview": 60, "steps": 20}))
    shown = [event.sample for event in events if isinstance(event, Evaluated)]
    assert shown
    assert all(sample and MARK not in sample for sample in shown)


def test_while_it_trains_the_report_reloads_itself(text_file: Path, tmp_path: Path) -> None:
    """It tells how far the training is."""
    events = recorded(tiny.begin(text_file, tmp_path, steps=10, eval_every=2))
    next(event for event in events if isinstance(event, Evaluated))
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' in page
    assert "step 2 of 10" in page
    events.close()


def test_a_resumed_training_leaves_what_an_unbroken_one_does(text_file: Path, tmp_path: Path) -> None:
    """Wherever it stopped, also where it was killed before it wrote the sample of its last evaluation."""
    whole, broken = tmp_path / "whole" / "run", tmp_path / "broken" / "run"
    train(text_file, tmp_path / "whole")
    begun = tiny.begin(text_file, tmp_path / "broken", steps=10, eval_every=2, preview=5)
    begun.stop = tiny.stop_after(5)
    list(recorded(begun))
    killed = start.resume("run", root=tmp_path / "broken").events()
    next(event for event in killed if isinstance(event, Evaluated))
    killed.close()
    assert len(samples.read(broken / "samples.jsonl")) == 2
    assert load(broken / "last.safetensors").history[-1].step == 6
    list(recorded(start.resume("run", root=tmp_path / "broken")))
    assert (broken / "samples.jsonl").read_bytes() == (whole / "samples.jsonl").read_bytes()
    assert learning_curves(broken) == learning_curves(whole)


def test_samples_after_the_step_that_goes_on_are_made_anew(tmp_path: Path) -> None:
    """So a folder whose ``last`` is older has no sample twice; damaged lines go too."""
    path = tmp_path / "samples.jsonl"
    for step in (10, 20, 30):
        samples.add(path, Sample(step, f'"{step}"\n\ud800'))
    path.write_bytes(path.read_bytes() + b'{"step": 40}\n\xff\n' + b"[" * 100_000)
    samples.add(path, Sample(20, "new"))
    assert samples.read(path) == [Sample(10, '"10"\n\ud800'), Sample(20, "new")]
    assert samples.read(tmp_path / "none") == []
    with pytest.raises(RunError, match=r"cannot read .*: it is no file"):
        samples.read(tmp_path)


def test_without_a_preview_there_are_no_samples(text_file: Path, tmp_path: Path) -> None:
    """The report comes all the same."""
    train(text_file, tmp_path, preview=0)
    assert not (tmp_path / "run" / "samples.jsonl").exists()
    assert (tmp_path / "run" / "report.html").exists()


def test_a_report_that_cannot_be_written_stops_nothing(text_file: Path, tmp_path: Path) -> None:
    """It is told once, and the training ends as it would have."""
    trainer = tiny.begin(text_file, tmp_path, steps=10, eval_every=2, preview=5)
    trainer.run.report.mkdir()
    events = list(recorded(trainer))
    told = [event.notes for event in events if isinstance(event, Evaluated | Finished)]
    assert "report.html" in told[0][0]
    assert told[1:] == [()] * 5
    assert len(samples.read(trainer.run.samples)) == 5
    assert isinstance(events[-1], Finished)


def test_whatever_a_report_fails_of_stops_nothing(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a mistake of ours."""
    monkeypatch.setattr(journal, "report", lambda *_of, **_how: 1 / 0)
    events = train(text_file, tmp_path)
    assert "division by zero" in next(event for event in events if isinstance(event, Evaluated)).notes[0]
    assert isinstance(events[-1], Finished)


def test_the_leading_process_alone_writes(text_file: Path, tmp_path: Path) -> None:
    """The others pass the events on as they are."""
    trainer = tiny.begin(text_file, tmp_path)
    told = list(trainer.events())

    class Follower:
        world, run, train = World(1, 2), trainer.run, trainer.train

        @staticmethod
        def events() -> Iterator[Event]:
            yield from told

    assert list(recorded(Follower())) == told  # type: ignore[arg-type]
    assert not trainer.run.report.exists()


def test_the_library_and_an_overwritten_run_have_them_too(text_file: Path, folder: Path) -> None:
    """``train`` and ``resume`` write both; a run that takes the place of another begins without."""
    settings = {**tiny.SETTINGS, "eval_every": 2, "preview": 5, "run": "a"}
    api.train(text_file, **settings)
    run = folder / "checkpoints" / "a"
    assert [sample.step for sample in samples.read(run / "samples.jsonl")] == [2, 4, 6]
    before = (run / "report.html").read_bytes()
    api.train(text_file, **{**settings, "preview": 0, "overwrite": True})
    assert not (run / "samples.jsonl").exists()
    assert (run / "report.html").read_bytes() != before
