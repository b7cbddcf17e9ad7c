"""What a training leaves beside its checkpoints: samples along its way, and a report that is always up to date."""

import contextlib
import dataclasses
from collections.abc import Generator
from typing import TYPE_CHECKING, Final

from chargen.atomic import replacing
from chargen.model import Model
from chargen.store import samples
from chargen.store.checkpoint import Checkpoint, load
from chargen.store.runs import Run, for_use
from chargen.store.samples import Sample
from chargen.training.events import Evaluated, Event, Finished, Started
from chargen.web.report import Training, report

if TYPE_CHECKING:
    from chargen.training.trainer import Trainer

LENGTH: Final = 200
"""Characters of a sample, or more where more are to be shown; they take a hundredth of the quickest preset's time."""
TEMPERATURE: Final = 0.7


def recorded(trainer: "Trainer") -> Generator[Event, None, None]:
    """The events of a training, whose samples and report are written as they come, by the process that leads.

    What goes wrong with them is told by the event and never stops the training.
    """
    journal = Journal(trainer.run, length=max(LENGTH, trainer.train.preview) if trainer.train.preview else 0)
    with contextlib.closing(trainer.events()) as events:
        for event in events:
            yield journal.enter(event) if trainer.world.leads else event


class Journal:
    """Writes the samples and the report of one run.

    Args:
        run: The run.
        length: Characters of a sample; without any, none is written.
    """

    def __init__(self, run: Run, *, length: int) -> None:
        self._run, self._length = run, length
        self._told = ""

    def enter(self, event: Event) -> Event:
        """Write what ``event`` gives occasion to; an evaluation comes back with its sample.

        A process that was killed after it saved an evaluation, and before its sample, is made up for at the start.
        """
        match event:
            case Started() if event.step:
                _, notes = self._write(running=True)
                return dataclasses.replace(event, notes=(*event.notes, *notes))
            case Evaluated():
                text, notes = self._write(running=True)
                return dataclasses.replace(event, sample=text, notes=notes)
            case Finished():
                _, notes = self._write(running=False, test_bpc=event.test_bpc)
                return dataclasses.replace(event, notes=notes)
        return event

    def _write(self, *, running: bool, test_bpc: float | None = None) -> tuple[str, tuple[str, ...]]:
        """Write both; the latest sample, and what went wrong unless it was told before."""
        text = ""
        try:
            last = load(self._run.last)
            text = self._sample(last)
            training = Training(self._run.name, last, test_bpc, samples.read(self._run.samples))
            with replacing(self._run.report) as file:
                file.write(report([training], running=running))
        except Exception as error:  # noqa: BLE001  # whatever it is, the training is worth more than its report
            note = f"the run's samples or its report cannot be kept up to date: {error}"
            told, self._told = self._told, note
            return text, (note,) * (note != told)
        return text, ()

    def _sample(self, last: Checkpoint) -> str:
        """The sample of the last evaluation, written where it is missing and the weights are still those."""
        if not (self._length and last.history and last.resume and last.resume.step == last.history[-1].step):
            return ""
        step = last.resume.step
        there = samples.read(self._run.samples)
        if there and there[-1].step == step:
            return there[-1].text
        model = Model(for_use(last), self._run.last)
        text = model.sample(length=self._length, temperature=TEMPERATURE, seed=step)
        samples.add(self._run.samples, Sample(step, text))
        return text
