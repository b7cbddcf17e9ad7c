"""The training loop: windows in, small events out.

Everything random at a step (dropout masks, column offsets) follows from the seed and the step's number alone, and
everything else that a step depends on is in the ``last`` checkpoint. Going on from it therefore gives the same bits
as never having stopped, on the same device, thread count and torch.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import ModelConfig, TrainConfig
from chargen.errors import CheckpointError, TrainingError
from chargen.store.checkpoint import Checkpoint, CorpusInfo, Evaluation, Resume, load, save
from chargen.store.records import out_of_patience, seen_items
from chargen.store.runs import Run, address
from chargen.text.corpus import Corpus, Texts
from chargen.text.split import Split
from chargen.training import hardware
from chargen.training.distributed import ALONE, World
from chargen.training.evaluate import calibrate, evaluate
from chargen.training.events import Evaluated, Event, Finished, Started, Stepped
from chargen.training.item_rows import windows
from chargen.training.pace import Pace
from chargen.training.running_means import RunningMeans
from chargen.training.schedule import Schedule
from chargen.training.step import Learner
from chargen.training.torch_network import StackedRNN

REPORT_STEPS: Final = 10
SAVE_SECONDS: Final = 300.0
WHOLE_COLUMN: Final = 8192  # characters; the test split is scored in columns no shorter than this


class Trainer:
    """Trains one network in one run folder.

    Args:
        corpus: The text.
        split: Its parts for training, validation and test.
        model: Architecture.
        train: Settings, with every automatic one resolved; what the checkpoint records.
        run: Where to write, prepared.
        origin: Where the text came from, kept in ``last`` so that resuming finds it.
        resume: The run's ``last`` checkpoint, with its tensors, to go on from.
        finished: Whether that is of a finished training, of which nothing is left but to tell.
        weights: Initial weights to start from instead of random ones, named as in ``model.weight_shapes()``.
        notes: What the first event tells.
        thread_counts: The numbers of threads that the training may change to on its way; without any it keeps its own.
        world: The processes that share the work.
        stop: Asked before each step; True ends the training with everything saved.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: Split,
        model: ModelConfig,
        train: TrainConfig,
        run: Run,
        *,
        origin: Texts,
        resume: Checkpoint | None = None,
        finished: bool = False,
        weights: Mapping[str, NDArray[np.float32]] | None = None,
        notes: tuple[str, ...] = (),
        thread_counts: Sequence[int] = (),
        world: World = ALONE,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.began = time.perf_counter()
        self.corpus, self.model, self.run, self.stop = corpus, model, run, stop
        self.split, self.train = split, train
        self.info, self.seen = CorpusInfo.of(corpus, split), seen_items(corpus, split)
        self.world = world
        self.origin, self.notes, self.finished = origin, notes, finished
        self.end = corpus.vocab.end_id
        self.windows = windows(split.ids, split.train, train, end=self.end)
        self.learner = Learner(model, train, self.world, resets=self.end is not None)
        if weights is not None:
            self.learner.network.load(weights)
            self.learner.average.load(weights)
        self.schedule = Schedule(train, self.windows.per_epoch)
        self.means = RunningMeans(self.train.grad_clip)
        self.pace = Pace(train.threads, thread_counts)
        self.history: tuple[Evaluation, ...] = ()
        self.best_step = 0
        self.best_bpc = math.inf
        self.seconds_before = 0.0
        if resume is not None:
            self._restore(resume)

    def events(self) -> Generator[Event, None, None]:
        """Train, step by step, telling of it; the last event is ``Finished``.

        Raises:
            TrainingError: the loss or a gradient is not finite, or another process was lost; ``best`` and ``last``
                stay as they were.
            RunError: a checkpoint cannot be written.
        """
        advice = f"go on with: chargen train --resume {address(self.run.folder)}"
        hardware.release_freed_memory()
        with contextlib.closing(self.run), hardware.tuned(self.train.threads), self.world.watching(advice):
            yield self._started()
            if self.learner.step == 0:
                self._save(best=True)
            else:
                last = self._checkpoint()
                self.world.led(lambda: self.run.reconcile(last, keep=self.train.keep))
            saved, overdue, reason = time.perf_counter(), False, None
            every = self.schedule.evaluation_interval(len(self.split.val))
            while self.learner.step < self.schedule.total_steps and not self._out_of_patience():
                if self.world.any(self.stop()):
                    reason = "interrupted"
                    self._save()
                    break
                self._train_step()
                if self.learner.step % REPORT_STEPS == 0:
                    yield self._stepped()
                    planned = self.world.led(lambda: self.schedule.planned(self.learner.step, self._seconds()))
                    self.schedule.total_steps = planned
                    overdue = self.world.any(time.perf_counter() - saved > SAVE_SECONDS)
                if self.learner.step % every == 0 or self.learner.step >= self.schedule.total_steps:
                    yield self._evaluate()
                    saved = time.perf_counter()
                elif overdue:
                    self._save()
                    saved, overdue = time.perf_counter(), False
            if reason is None and self.learner.step < self.schedule.total_steps:
                reason = f"no better validation in the last {self.train.patience}"
            yield self._finish(reason)

    def _train_step(self) -> None:
        step, began = self.learner.step, time.perf_counter()
        if self.windows.starts_epoch(step):
            self.learner.forget()
        self.means.add(*self.learner.learn(*self.windows.at(step), self.schedule.learning_rate(step)))
        if self.train.device == "cpu":  # a GPU's step is still under way here
            self.pace.stepped(time.perf_counter() - began)

    def _started(self) -> Started:
        return Started(
            run=self.run.name,
            corpus=self.info,
            model=self.model,
            train=self.train,
            step=self.learner.step,
            total_steps=self.schedule.total_steps,
            finished=self.finished,
            steps_per_epoch=self.windows.per_epoch,
            notes=(*self.notes, *self.run.notes),
        )

    def _seconds(self) -> float:
        return self.seconds_before + (0 if self.finished else time.perf_counter() - self.began)

    def _stepped(self) -> Stepped:
        self._check_finite()
        self.corpus.release()
        return Stepped(
            step=self.learner.step,
            total_steps=self.schedule.total_steps,
            epoch=self.learner.step / self.windows.per_epoch,
            train_bpc=self.means.values()[0],
            learning_rate=self.schedule.learning_rate(self.learner.step - 1),
            chars_per_second=self.means.chars_per_second(self.train.batch_size * self.train.bptt),
            notes=self.pace.news(self.train.batch_size * self.train.bptt, address(self.run.folder)),
        )

    def _check_finite(self) -> None:
        if not self.means.finite:
            raise TrainingError(
                f"the loss or its gradient stopped being finite at step {self.learner.step}; {self.run.last} holds "
                "the last good state. Try a lower --learning-rate or --grad-clip"
            )

    def _evaluate(self) -> Evaluated:
        self._check_finite()
        speed = self.means.chars_per_second(self.train.batch_size * self.train.bptt)
        scale, bpc, joint = self.world.led(self._validate)
        train_bpc, grad_norm, clipped = self.means.values()
        evaluation = Evaluation(
            step=self.learner.step,
            epoch=self.learner.step / self.windows.per_epoch,
            train_bpc=train_bpc,
            val_bpc=bpc,
            joint_bpc=joint,
            logit_scale=scale,
            learning_rate=self.schedule.learning_rate(self.learner.step - 1),
            grad_norm=grad_norm,
            clipped=clipped,
            seconds=self._seconds(),
            chars_per_second=speed,
        )
        self.history = (*self.history, evaluation)
        judged = evaluation.judged_bpc
        best = judged is None or judged < self.best_bpc
        if best:
            self.best_step, self.best_bpc = self.learner.step, math.inf if judged is None else judged
        self.means = RunningMeans(self.train.grad_clip)
        self._save(best=best, keep=self.train.keep)
        return Evaluated(evaluation=evaluation, best=best, last=self.run.last)

    def _validate(self) -> tuple[float, float | None, float | None]:
        """The best factor on the logits, the loss with it, and that from both sides, on the validation split."""
        network, ids, val = self.learner.average, self.split.ids, self.split.val
        if not val:
            return 1.0, None, None
        scale, bpc = calibrate(network, ids, val, end=self.end)
        joint = evaluate(network, ids, val, both_sides=True, end=self.end)[0] if self.model.bidirectional else None
        return scale, bpc, joint

    def _out_of_patience(self) -> bool:
        return out_of_patience(self.history, self.train.patience, restart_step=self.schedule.restart_step)

    def _finish(self, reason: str | None) -> Finished:
        val_bpc, test_bpc = self.world.led(lambda: self._judge_best(interrupted=reason == "interrupted"))
        seconds = self._seconds()
        return Finished(
            run=self.run.name,
            best=self.run.best,
            best_step=self.best_step,
            step=self.learner.step,
            total_steps=self.schedule.total_steps,
            val_bpc=val_bpc,
            test_bpc=test_bpc,
            seconds=seconds,
            parameters=self.model.parameters,
            chars_per_second=self.learner.step * self.train.batch_size * self.train.bptt / seconds,
            evaluations=self.history,
            reason=reason,
        )

    def _judge_best(self, *, interrupted: bool) -> tuple[float | None, float | None]:
        """The best checkpoint's losses on validation and test; the test split is scored once, when training is over."""
        best = load(self.run.best)
        if not interrupted and self.split.test and best.test_bpc is None:
            judge = StackedRNN(self.model, resets=self.end is not None).to(self.learner.device)
            judge.load(best.weights)
            (bpc,) = evaluate(judge, self.split.ids, self.split.test, column=WHOLE_COLUMN, end=self.end)
            best = dataclasses.replace(best, test_bpc=bpc)
            save(self.run.best, best)
        return best.val_bpc, best.test_bpc

    def _save(self, *, best: bool = False, keep: int = 0) -> None:
        self._check_finite()
        last = self._checkpoint()
        self.world.led(lambda: self.run.write(last, best=best, keep=keep))

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            model=self.model,
            train=dataclasses.replace(self.train, threads=self.pace.threads),
            vocab=self.corpus.vocab,
            corpus=self.info,
            weights=self.learner.average.export(),
            history=self.history,
            resume=Resume(
                step=self.learner.step,
                total_steps=self.schedule.total_steps,
                best_step=self.best_step,
                best_bpc=None if math.isinf(self.best_bpc) else self.best_bpc,
                seconds=self._seconds(),
                tally=self.means.tally,
                origin=self.origin,
                restart_step=self.schedule.restart_step,
                tensors=self.learner.state(),
            ),
            seen=self.seen,
        )

    def _restore(self, last: Checkpoint) -> None:
        resume = last.resume
        if resume is None:
            raise CheckpointError(f"{self.run.last} holds no training state to resume from")
        try:
            self.learner.restore(resume.step, last.weights, resume.tensors)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{self.run.last} holds no consistent state to resume from: {error}") from error
        self.schedule.total_steps, self.schedule.restart_step = resume.total_steps, resume.restart_step
        self.best_step, self.seconds_before = resume.best_step, resume.seconds
        self.best_bpc = math.inf if resume.best_bpc is None else resume.best_bpc
        self.means = RunningMeans(self.train.grad_clip, resume.tally)
        self.history = last.history
