"""A training as TensorBoard shows it: its event files, in the run's folder under ``tensorboard``."""

import importlib.util
import math
import time
from collections.abc import Iterator, Sequence
from typing import Final

from chargen.errors import ConfigError
from chargen.store import samples
from chargen.store.records import Evaluation
from chargen.store.runs import Run
from chargen.store.samples import Sample
from chargen.training.events import Evaluated, Event, Finished

PACKAGE: Final = "tensorboard"


def require() -> None:
    """Find out before a training whether TensorBoard's package is there.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConfigError("--log-to tensorboard takes a package more: pip install 'chargen[tensorboard]'")


class TensorBoardLog:
    """Writes the event files of one run: losses in nats and bits, gradients, learning rate, speed, samples.

    The evaluations before a resumed training's step are written anew into a fresh file in the place of the old ones, so
    that no step stands twice and none is missing, wherever the training was stopped.

    Args:
        run: The run.
        history: Its evaluations so far.
    """

    def __init__(self, run: Run, history: Sequence[Evaluation]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        for old in run.event_files():
            old.unlink()
        self._writer = SummaryWriter(run.event_folder)
        now, seconds = time.time(), history[-1].seconds if history else 0.0
        texts = {sample.step: sample for sample in samples.read(run.samples)} if history else {}
        for evaluation in history:
            self._write(evaluation, texts.get(evaluation.step), now - seconds + evaluation.seconds)
        self._writer.flush()

    def enter(self, event: Event) -> None:
        """Write what an event tells; the last one closes the file."""
        match event:
            case Evaluated():
                step = event.evaluation.step
                self._write(event.evaluation, Sample(step, event.sample) if event.sample else None, time.time())
                self._writer.flush()
            case Finished():
                if event.test_bpc is not None:
                    self._writer.add_scalar("test/bpc", event.test_bpc, event.best_step, time.time())
                self._writer.close()

    def _write(self, evaluation: Evaluation, sample: Sample | None, when: float) -> None:
        for name, value in _scalars(evaluation):
            self._writer.add_scalar(name, value, evaluation.step, when)
        if sample is not None:
            text = "\n".join(f"    {line}" for line in sample.text.split("\n"))  # Markdown's way to keep it as it is
            self._writer.add_text("sample", text, evaluation.step, when)


def _scalars(evaluation: Evaluation) -> Iterator[tuple[str, float]]:
    """The numbers of an evaluation by their names in TensorBoard."""
    losses = {"train": evaluation.train_bpc, "val": evaluation.val_bpc, "both_sides": evaluation.joint_bpc}
    for name, bpc in losses.items():
        if bpc is not None:
            yield f"{name}/loss", bpc * math.log(2)
            yield f"{name}/bpc", bpc
    yield "train/grad_norm", evaluation.grad_norm
    yield "train/clipped", evaluation.clipped
    yield "train/learning_rate", evaluation.learning_rate
    yield "train/chars_per_second", evaluation.chars_per_second
