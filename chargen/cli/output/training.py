"""How a training looks while it runs: a bar on a terminal, plain lines elsewhere. All of it on stderr."""

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from chargen.cli import options
from chargen.cli.output.terminal import visible
from chargen.store.runs import address
from chargen.training.events import Evaluated, Event, Finished, Started, Stepped


class TrainingDisplay:
    """Draws a training's events.

    Args:
        quiet: Draw nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.console = options.stderr()
        self.bar: tqdm[Any] | None = None
        self.started: Started | None = None
        self.val_bpc: float | None = None

    def follow(self, events: Iterator[Event]) -> Finished:
        """Draw every event; the last one is the result."""
        try:
            for event in events:
                if isinstance(event, Finished):
                    self._close()
                    if not self.quiet:
                        self._finished(event)
                    return event
                if not self.quiet:
                    self._draw(event)
        finally:
            self._close()
        raise AssertionError("a training ends with Finished")

    def _draw(self, event: Started | Stepped | Evaluated) -> None:
        match event:
            case Started():
                self._begin(event)
            case Stepped():
                self._stepped(event)
            case Evaluated():
                self._evaluated(event)

    def _begin(self, event: Started) -> None:
        self.started = event
        corpus, model, train = event.corpus, event.model, event.train
        sizes = [span[1] - span[0] for span in (corpus.train, corpus.val, corpus.test)]
        width = "one-hot" if model.one_hot else f"embedding {model.embedding_size}"
        self._line(
            f"corpus   {visible(corpus.name)}: {corpus.characters:,} characters, {model.vocab_size} distinct; "
            f"{sizes[0]:,} train, {sizes[1]:,} validation, {sizes[2]:,} test"
        )
        self._line(
            f"model    {model.num_layers}x{model.hidden_size} {model.cell.upper()}, {width}"
            f"{', skip connections' if model.skip and model.num_layers > 1 else ''}: {model.parameters:,} parameters"
        )
        length = f"{train.minutes:g} minutes" if train.minutes else f"{event.total_steps:,} steps"
        self._line(
            f"training {length}, batch {train.batch_size} x {train.bptt}, {train.device} {train.precision}, "
            f"{train.threads} thread{'s' if train.threads > 1 else ''}"
        )
        self._line(f"run      {event.run}{f', going on at step {event.step:,}' if event.step else ''}")
        for text in event.notes:
            options.note(text)
        if sys.stderr.isatty():
            self.bar = tqdm(total=event.total_steps, initial=event.step, unit="step", dynamic_ncols=True, leave=False)

    def _stepped(self, event: Stepped) -> None:
        if self.bar is None:
            return
        self.bar.total = event.total_steps
        validation = "" if self.val_bpc is None else f", val {self.val_bpc:.3f}"
        self.bar.set_description_str(f"epoch {event.epoch:.1f}", refresh=False)
        self.bar.set_postfix_str(
            f"train {event.train_bpc:.3f}{validation} bpc, {event.chars_per_second:,.0f} char/s", refresh=False
        )
        self.bar.update(event.step - self.bar.n)

    def _evaluated(self, event: Evaluated) -> None:
        row = event.evaluation
        self.val_bpc = row.val_bpc
        validation = "" if row.val_bpc is None else f"  val {row.val_bpc:.3f}{'*' if event.best else ' '}"
        both = "" if row.joint_bpc is None else f"  both sides {row.joint_bpc:.3f}"
        train = "" if row.train_bpc is None else f"  train {row.train_bpc:.3f}"
        for text in event.notes:
            options.note(text)
        self._line(
            f"epoch {row.epoch:5.1f}  step {row.step:6d}{train}{validation}{both}  "
            f"{row.chars_per_second:7,.0f} char/s  {duration(row.seconds)}{self._preview(event)}"
        )

    def _preview(self, event: Evaluated) -> str:
        """The beginning of the sample, on one line."""
        shown = self.started.train.preview if self.started else 0
        return "  " + " ".join(visible(event.sample[:shown]).split()) if event.sample else ""

    def _finished(self, event: Finished) -> None:
        table = Table(show_header=False, box=None, pad_edge=False)
        if event.reason == "interrupted":
            table.add_row("stopped", f"at step {event.step:,} of {event.total_steps:,}, everything saved")
            table.add_row("go on", Text(visible(f"chargen train --resume {shlex.quote(address(event.best.parent))}")))
        elif event.reason:
            table.add_row("early stop", event.reason)
        table.add_row(
            "validation",
            self._bpc(event.val_bpc, "val") + (f", best at step {event.best_step:,}" if event.val_bpc else ""),
        )
        if event.reason != "interrupted":
            table.add_row("test", self._bpc(event.test_bpc, "test"))
        table.add_row("time", f"{duration(event.seconds)}, {event.chars_per_second:,.0f} characters/s in all")
        table.add_row("checkpoint", Text(visible(str(event.best))))
        table.add_row("sample", Text(visible(f'chargen sample {shlex.quote(str(event.best))} -p "..."')))
        self.console.print(table, soft_wrap=True)
        for text in event.notes:
            options.note(text)

    def _bpc(self, value: float | None, split: str) -> str:
        if value is not None:
            return f"{value:.3f} bits per character"
        span = getattr(self.started.corpus, split) if self.started else (0, 0)
        return "not measured yet" if span[1] > span[0] else "none: the split is empty"

    def _line(self, text: str) -> None:
        text = visible(text)
        if self.bar is not None:
            self.bar.write(text, file=sys.stderr)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


@contextlib.contextmanager
def encoding_bar(*, quiet: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """Something to tell of bytes encoded; it draws a bar once a text takes more than a moment."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with tqdm(unit="B", unit_scale=True, desc="encoding", delay=1.0, leave=False, dynamic_ncols=True) as bar:

        def tell(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield tell


def duration(seconds: float) -> str:
    """Minutes and seconds, as in 4:07."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
