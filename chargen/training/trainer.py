"""The training loop: windows in, small events out.

Everything random at a step (dropout masks, column offsets) follows from the seed and the step's number alone, and
everything else that a step depends on is in the ``last`` checkpoint. Going on from it therefore gives the same bits
as never having stopped, on the same device, thread count and torch.
"""

import contextlib
import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from chargen.checkpoint import Checkpoint, CorpusInfo, Evaluation, load
from chargen.config import ModelConfig, TrainConfig
from chargen.corpus import Corpus
from chargen.errors import TrainingError
from chargen.runs import Run
from chargen.training import hardware
from chargen.training.bptt import Windows, fit
from chargen.training.evaluate import evaluate
from chargen.training.events import Evaluated, Event, Finished, Progress, Started
from chargen.training.model import Masks, StackedRNN
from chargen.training.schedule import Schedule
from chargen.training.tally import Tally

REPORT_STEPS: Final = 10
SAVE_SECONDS: Final = 300.0
WHOLE_COLUMN: Final = 8192  # characters; the test split is scored in columns no shorter than this


class Trainer:
    """Trains one network in one run folder.

    Args:
        corpus: The text.
        model: Architecture.
        train: Settings; automatic ones are resolved here, and what was resolved is what the checkpoint records.
        run: Where to write, prepared.
        resume: The run's ``last`` checkpoint, with its state, to go on from.
        weights: Initial weights to start from instead of random ones, named as in ``model.weight_shapes()``.
        origin: Where the text came from, kept in ``last`` so that resuming finds it.
        notes: What the first event tells beside its own notes.
        stop: Asked before each step; True ends the training with everything saved.
    """

    def __init__(
        self,
        corpus: Corpus,
        model: ModelConfig,
        train: TrainConfig,
        run: Run,
        *,
        resume: Checkpoint | None = None,
        weights: Mapping[str, NDArray[np.float32]] | None = None,
        origin: Mapping[str, Any] | None = None,
        notes: tuple[str, ...] = (),
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.began = time.perf_counter()
        self.corpus, self.model, self.run, self.stop = corpus, model, run, stop
        self.split = corpus.split(train.val_fraction, train.test_fraction)
        self.train, lowered = _resolve(train, model, len(self.split.train))
        self.origin, self.notes = dict(origin or {}), (*notes, *lowered)
        self.windows = Windows(corpus.ids, self.split.train, self.train.batch_size, self.train.bptt, self.train.seed)
        self.device = torch.device(self.train.device)
        self.network = StackedRNN(model, seed=self.train.seed).to(self.device)
        if weights is not None:
            self.network.load(weights)
        self.average = copy.deepcopy(self.network) if self.train.ema_decay else self.network
        self.optimizer = self._optimizer()
        self.schedule = Schedule(self.train, self.windows.per_epoch)
        self.hidden = self.network.initial_state(self.train.batch_size)
        self.tally = Tally(self.device)
        self.history: tuple[Evaluation, ...] = ()
        self.step = self.best_step = 0
        self.best_bpc = math.inf
        self.seconds_before = 0.0
        if resume is not None:
            self._restore(resume)

    def events(self) -> Iterator[Event]:
        """Train, step by step, telling of it; the last event is ``Finished``.

        Raises:
            TrainingError: the loss or a gradient is not finite; ``best`` and ``last`` stay as they were.
            RunError: a checkpoint cannot be written.
        """
        with hardware.settings(self.train.threads):
            yield self._started()
            if self.step == 0:
                self.run.write(self._checkpoint(), best=True)
            saved, reason = time.perf_counter(), None
            every = self.train.eval_every or self.windows.per_epoch
            while self.step < self.schedule.total_steps:
                if self.stop():
                    reason = "interrupted"
                    self._save()
                    break
                self._train_step()
                if self.step % REPORT_STEPS == 0:
                    yield self._progress()
                    self.schedule.replan(self.step, time.perf_counter() - self.began)
                if self.step % every == 0 or self.step >= self.schedule.total_steps:
                    yield self._evaluate()
                    saved = time.perf_counter()
                    if self._out_of_patience():
                        reason = f"no better validation in the last {self.train.patience}"
                        break
                elif time.perf_counter() - saved > SAVE_SECONDS:
                    self._save()
                    saved = time.perf_counter()
            yield self._finish(reason)

    def _train_step(self) -> None:
        train, step = self.train, self.step
        if self.windows.starts_epoch(step):
            self.hidden = torch.zeros_like(self.hidden)
        inputs, targets = (ids.to(self.device, non_blocking=True) for ids in self.windows.at(step))
        generator = torch.Generator(self.device).manual_seed(_mix(train.seed, step))
        masks = Masks.draw(self.model, train, train.batch_size, generator)
        with self._autocast():
            logits, hidden = self.network(inputs, self.hidden, masks)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), train.grad_clip or math.inf)
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.learning_rate(step)
        self.optimizer.step()
        self.hidden = hidden.detach()
        self.step += 1
        self.tally.add(loss.detach(), norm, train.grad_clip)
        if train.ema_decay:
            self._update_average()

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the averaged weights on; early on the average is short, so that it forgets the random start."""
        decay = min(self.train.ema_decay, self.step / (self.step + 10))
        average: list[Tensor] = list(self.average.parameters())
        torch._foreach_lerp_(average, list[Tensor](self.network.parameters()), 1 - decay)

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        if self.train.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def _optimizer(self) -> torch.optim.AdamW:
        matrices = [weight for weight in self.network.parameters() if weight.dim() > 1]
        vectors = [weight for weight in self.network.parameters() if weight.dim() <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.train.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.train.learning_rate, fused=self.device.type in ("cpu", "cuda"))

    def _started(self) -> Started:
        return Started(
            run=self.run.name,
            corpus=self._corpus_info(),
            model=self.model,
            train=self.train,
            step=self.step,
            total_steps=self.schedule.total_steps,
            steps_per_epoch=self.windows.per_epoch,
            notes=self.notes,
        )

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.began

    def _progress(self) -> Progress:
        self._check_finite()
        return Progress(
            step=self.step,
            total_steps=self.schedule.total_steps,
            epoch=self.step / self.windows.per_epoch,
            train_bpc=self.tally.bpc,
            learning_rate=self.schedule.learning_rate(self.step - 1),
            chars_per_second=self.tally.chars_per_second(self.train.batch_size * self.train.bptt),
        )

    def _check_finite(self) -> None:
        if not self.tally.finite:
            raise TrainingError(
                f"the loss or its gradient stopped being finite at step {self.step}; {self.run.last} holds the last "
                "good state. Try a lower --learning-rate or --grad-clip"
            )

    def _evaluate(self) -> Evaluated:
        self._check_finite()
        speed = self.tally.chars_per_second(self.train.batch_size * self.train.bptt)
        bpc = evaluate(self.average, self.corpus.ids, self.split.val) if self.split.val else None
        best = bpc is None or bpc < self.best_bpc
        evaluation = Evaluation(
            step=self.step,
            epoch=self.step / self.windows.per_epoch,
            train_bpc=self.tally.bpc,
            val_bpc=bpc,
            learning_rate=self.schedule.learning_rate(self.step - 1),
            grad_norm=self.tally.grad_norm,
            clipped=self.tally.clipped,
            seconds=self._seconds(),
            chars_per_second=speed,
        )
        self.history = (*self.history, evaluation)
        if best:
            self.best_step, self.best_bpc = self.step, math.inf if bpc is None else bpc
        self.tally = Tally(self.device)
        self._save(best=best, keep=self.train.keep)
        return Evaluated(evaluation=evaluation, best=best, last=self.run.last)

    def _out_of_patience(self) -> bool:
        """Whether none of the last ``patience`` evaluations was a new best."""
        recent = self.history[-self.train.patience :] if self.train.patience else ()
        return bool(recent) and len(self.history) > self.train.patience and recent[0].step > self.best_step

    def _finish(self, reason: str | None) -> Finished:
        """Score the test split with the best checkpoint, once, unless the training was only interrupted."""
        best = load(self.run.best)
        if reason != "interrupted" and self.split.test and best.test_bpc is None:
            judge = StackedRNN(self.model).to(self.device)
            judge.load(best.weights)
            bpc = evaluate(judge, self.corpus.ids, self.split.test, column=WHOLE_COLUMN)
            best = dataclasses.replace(best, test_bpc=bpc)
            self.run.write_best(best)
        seconds = self._seconds()
        return Finished(
            run=self.run.name,
            best=self.run.best,
            best_step=self.best_step,
            step=self.step,
            total_steps=self.schedule.total_steps,
            val_bpc=best.val_bpc,
            test_bpc=best.test_bpc,
            seconds=seconds,
            parameters=self.model.parameters,
            chars_per_second=self.step * self.train.batch_size * self.train.bptt / seconds,
            reason=reason,
        )

    def _save(self, *, best: bool = False, keep: int = 0) -> None:
        self._check_finite()
        self.run.write(self._checkpoint(), best=best, keep=keep)

    def _corpus_info(self) -> CorpusInfo:
        train, val, test = ((span.start, span.stop) for span in (self.split.train, self.split.val, self.split.test))
        return CorpusInfo(
            name=self.corpus.name,
            sha256=self.corpus.sha256,
            characters=len(self.corpus),
            train=train,
            val=val,
            test=test,
        )

    def _checkpoint(self) -> Checkpoint:
        state = {"hidden": self.hidden.cpu().numpy()}
        for name, weight in self.network.named_parameters():
            moments = self.optimizer.state.get(weight, {})
            state |= {f"{key}.{name}": moments[key].cpu().numpy() for key in ("exp_avg", "exp_avg_sq") if moments}
            if self.average is not self.network:
                state[f"weight.{name}"] = weight.detach().cpu().numpy()
        return Checkpoint(
            model=self.model,
            train=self.train,
            vocab=self.corpus.vocab,
            corpus=self._corpus_info(),
            weights=self.average.export(),
            history=self.history,
            progress={
                "step": self.step,
                "total_steps": self.schedule.total_steps,
                "best_step": self.best_step,
                "best_bpc": None if math.isinf(self.best_bpc) else self.best_bpc,
                "seconds": self._seconds(),
                "tally": self.tally.as_dict(),
                "origin": self.origin,
            },
            state=state,
        )

    def _restore(self, last: Checkpoint) -> None:
        def tensor(name: str) -> Tensor:
            return torch.from_numpy(last.state[name]).to(self.device)

        self.average.load(last.weights)
        self.step = last.progress["step"]
        for name, weight in self.network.named_parameters():
            if self.average is not self.network:
                weight.data.copy_(tensor(f"weight.{name}"))
            if self.step:
                moments = {key: tensor(f"{key}.{name}") for key in ("exp_avg", "exp_avg_sq")}
                self.optimizer.state[weight] = {"step": torch.tensor(float(self.step), device=self.device), **moments}
        self.hidden = tensor("hidden")
        self.schedule.total_steps = last.progress["total_steps"]
        self.best_step, self.seconds_before = last.progress["best_step"], last.progress["seconds"]
        self.best_bpc = math.inf if last.progress["best_bpc"] is None else last.progress["best_bpc"]
        self.history = last.history
        self.tally = Tally(self.device, **last.progress["tally"])


def _mix(seed: int, step: int) -> int:
    """One seed a step, far apart for neighbouring seeds and steps (the multiplier is 2^64 over the golden ratio)."""
    return (seed * 0x9E3779B97F4A7C15 + step) & ((1 << 63) - 1)


def _resolve(train: TrainConfig, model: ModelConfig, characters: int) -> tuple[TrainConfig, tuple[str, ...]]:
    """``train`` with automatic settings chosen and the window fitted to the text, and notes on what was lowered."""
    device = hardware.choose_device(train.device)
    batch_size, bptt = fit(characters, train.batch_size, train.bptt)
    notes: tuple[str, ...] = ()
    if (batch_size, bptt) != (train.batch_size, train.bptt):
        note = (
            f"the training split has only {characters:,} characters, so batch size {train.batch_size} became "
            f"{batch_size} and bptt {train.bptt} became {bptt}"
        )
        notes = (note,)
    resolved = dataclasses.replace(
        train,
        device=device,
        precision=hardware.choose_precision(train.precision, device),
        threads=hardware.choose_threads(train.threads, model),
        batch_size=batch_size,
        bptt=bptt,
    )
    return resolved, notes
