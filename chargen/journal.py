"""What a training leaves beside its checkpoints: samples along its way, a report, and what TensorBoard reads."""

import contextlib
import dataclasses
from collections.abc import Generator
from typing import TYPE_CHECKING, Final

from chargen.atomic import replacing
from chargen.config import MARK
from chargen.model import Model
from chargen.store import samples
from chargen.store.checkpoint import Checkpoint, load
from chargen.store.runs import for_use
from chargen.store.samples import Sample
from chargen.training.events import Evaluated, Event, Finished, Started, Stepped
from chargen.web.report import Training, report

if TYPE_CHECKING:
    from chargen.training.tensorboard_log import TensorBoardLog
    from chargen.training.trainer import Trainer

LENGTH: Final = 200
"""Characters of a sample, or more where more are to be shown; they take a hundredth of the quickest preset's time."""
TEMPERATURE: Final = 0.7


def recorded(trainer: "Trainer", *, to_tensorboard: bool = False) -> Generator[Event, None, None]:
    """The events of a training, whose samples and report are written as they come, by the process that leads.

    What goes wrong with them is told by the event and never stops the training. A finished one has them all.
    """
    if not trainer.world.leads or trainer.finished:
        yield from trainer.events()
        return
    journal = Journal(trainer, to_tensorboard=to_tensorboard)
    with contextlib.closing(trainer.events()) as events:
        yield from map(journal.enter, events)


class Journal:
    """Writes the report of one training, its samples if it has a preview, and on demand what TensorBoard reads."""

    def __init__(self, trainer: "Trainer", *, to_tensorboard: bool) -> None:
        self._run, self._preview = trainer.run, trainer.train.preview
        self._history = trainer.history
        self._to_tensorboard = to_tensorboard
        self._log: TensorBoardLog | None = None
        self._told = ""

    def enter(self, event: Event) -> Event:
        """Write what ``event`` gives occasion to; an evaluation comes back with its sample.

        A process that was killed after it saved an evaluation, and before its sample, is made up for at the start.
        """
        if isinstance(event, Stepped):
            return event
        notes: tuple[str, ...] = ()
        if not isinstance(event, Started) or event.step:
            test_bpc = event.test_bpc if isinstance(event, Finished) else None
            text, notes = self._write(running=not isinstance(event, Finished), test_bpc=test_bpc)
            if isinstance(event, Evaluated):
                event = dataclasses.replace(event, sample=text)
        notes += self._write_log(event)
        return dataclasses.replace(event, notes=(*event.notes, *notes))

    def _write_log(self, event: Event) -> tuple[str, ...]:
        """Hand an event on to TensorBoard's log, which ends at the first thing that goes wrong, and tell of that."""
        if not self._to_tensorboard:
            return ()
        try:
            if self._log is None:
                from chargen.training.tensorboard_log import TensorBoardLog

                self._log = TensorBoardLog(self._run, self._history)
            self._log.enter(event)
        except Exception as error:  # noqa: BLE001  # whatever it is, the training is worth more than its log
            self._to_tensorboard = False
            return (f"TensorBoard's log of the run ends here: {error}",)
        return ()

    def _write(self, *, running: bool, test_bpc: float | None = None) -> tuple[str, tuple[str, ...]]:
        """Write sample and report; the latest sample, and what went wrong unless it was told before."""
        text = ""
        try:
            last = load(self._run.last)
            text = self._sample(last)
            training = Training(self._run.name, last, test_bpc, samples.read(self._run.samples))
            with replacing(self._run.report) as file:
                file.write(report([training], running=running))
        except Exception as error:  # noqa: BLE001  # likewise
            note = f"the run's samples or its report cannot be kept up to date: {error}"
            before, self._told = self._told, note
            return text, (note,) * (note != before)
        return text, ()

    def _sample(self, last: Checkpoint) -> str:
        """The sample of the last evaluation, written where it is missing and the weights are still those."""
        if not (self._preview and last.history and last.resume and last.resume.step == last.history[-1].step):
            return ""
        step = last.resume.step
        written = samples.read(self._run.samples)
        if written and written[-1].step == step:
            return written[-1].text
        model = Model(for_use(last), self._run.last)
        text = model.sample(length=max(LENGTH, self._preview), temperature=TEMPERATURE, seed=step)
        text = text.replace(MARK, "\n")  # behind an item, and not to be shown
        samples.add(self._run.samples, Sample(step, text))
        return text
