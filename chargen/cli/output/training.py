"""How a training looks while it runs: a bar on a terminal, plain lines elsewhere. All of it on stderr."""

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import Final

from tqdm import tqdm

from chargen.cli import options
from chargen.cli.output.bar import Bar
from chargen.cli.output.terminal import visible, wrapped
from chargen.progress import TrainingBar
from chargen.store.runs import address
from chargen.training.events import Evaluated, Event, Finished, Started, Stepped
from chargen.wording import counted

INDENT: Final = " " * 9
"""What continues a line of the summary, or shows a sample, begins below that line's words."""


class TrainingDisplay:
    """Draws a training's events, or nothing where it is to be quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.bar: TrainingBar | None = None
        self.started: Started

    def follow(self, events: Iterator[Event]) -> Finished:
        """Draw every event; the last one is the result."""
        try:
            for event in events:
                if not self.quiet:
                    self._draw(event)
                if isinstance(event, Finished):
                    return event
        finally:
            self.close()
        raise AssertionError("a training ends with Finished")

    def close(self) -> None:
        """Leave the screen to others."""
        if self.bar is not None:
            self.bar.close()

    def _draw(self, event: Event) -> None:
        if isinstance(event, Started):
            self.started = event
            self._begin(event)
        if self.bar is not None:
            self.bar(event)
        if isinstance(event, Stepped):
            self._notes(event.notes)
        elif isinstance(event, Evaluated):
            self._evaluated(event)
        elif isinstance(event, Finished):
            self._finished(event)

    def _open_bar(self, label: str = "") -> None:
        if sys.stderr.isatty():
            self.bar = TrainingBar(Bar, label=label, leave=False)

    def _begin(self, event: Started) -> None:
        corpus, model, train = event.corpus, event.model, event.train
        items = corpus.items
        spans = [span[1] - span[0] for span in (corpus.train, corpus.val, corpus.test)]
        sizes = [items.train, items.val, items.test] if items else spans
        length = f"{corpus.characters:,} characters"
        if items:
            length = f"{items.count:,} {items.division.noun} of {length}"
        width = "one-hot" if model.one_hot else f"embedding {model.embedding_size}"
        self._line(
            f"corpus   {visible(corpus.name)}: {length}, {model.vocab_size} distinct; "
            f"{sizes[0]:,} train, {sizes[1]:,} validation, {sizes[2]:,} test"
        )
        self._line(
            f"model    {model.num_layers}x{model.hidden_size} {model.cell.upper()}, {width}"
            f"{', skip connections' if model.skip and model.num_layers > 1 else ''}: {model.parameters:,} parameters"
        )
        length = counted(train.minutes, "minute") if train.minutes else counted(event.total_steps, "step")
        self._line(
            f"training {length}, batch {train.batch_size} x {train.bptt}, {train.device} {train.precision}, "
            f"{counted(train.threads, 'thread')}"
        )
        progress = f", finished at step {event.step:,}" if event.finished else f", going on at step {event.step:,}"
        self._line(f"run      {event.run}{progress if event.step else ''}")
        self._notes(event.notes)
        if event.finished:
            return
        star = "; * marks the best validation so far" if sizes[1] else ""
        self._line(f"losses   in bits per character (bpc){star}")
        self._open_bar()

    def _evaluated(self, event: Evaluated) -> None:
        row = event.evaluation
        figures = [f"epoch {row.epoch:5.1f}", f"step {row.step:6d}"]
        if row.train_bpc is not None:
            figures.append(f"train {row.train_bpc:.3f}")
        if row.val_bpc is not None:
            figures.append(f"val {row.val_bpc:.3f}{'*' if event.best else ' '}")
        if row.joint_bpc is not None:
            figures.append(f"both sides {row.joint_bpc:.3f}")
        figures += [f"{row.chars_per_second:7,.0f} char/s", duration(row.seconds)]
        self._notes(event.notes)
        self._line("  ".join(figures))
        shown = preview(event.sample, self.started.train.preview)
        if shown:
            self._line(INDENT + shown)

    def _finished(self, event: Finished) -> None:
        rows, run = [], shlex.quote(address(event.best.parent))
        if event.reason == "interrupted":
            rows.append(("stopped", f"at step {event.step:,} of {event.total_steps:,}, everything saved"))
            rows.append(("go on", f"chargen train --resume {run}"))
        elif event.reason:
            rows.append(("early stop", event.reason))
        best = f", best at step {event.best_step:,}" if event.val_bpc else ""
        rows.append(("validation", self._bpc(event.val_bpc, "val") + best))
        if event.reason != "interrupted":
            rows.append(("test", self._bpc(event.test_bpc, "test")))
        rows.append(("time", f"{duration(event.seconds)}, {event.chars_per_second:,.0f} characters/s in all"))
        rows.append(("checkpoint", str(event.best)))
        both_sides = self.started.model.bidirectional
        rows.append(
            ("infill", f'chargen infill {run} "..._..."') if both_sides else ("sample", f"chargen sample {run}")
        )
        for name, value in rows:
            sys.stderr.write(visible(f"{name:<10}  {value}\n"))
        self._notes(event.notes)

    def _bpc(self, value: float | None, split: str) -> str:
        corpus = self.started.corpus
        start, stop = getattr(corpus, split)
        if value is None:
            return "not measured yet" if stop > start else "none: the split is empty"
        items = getattr(corpus.items, split) if corpus.items else 0
        return f"{value:.3f} bits per character" + (f", {value * (stop - start) / items:.2f} per item" if items else "")

    def _notes(self, texts: tuple[str, ...]) -> None:
        for text in texts:
            self._line(f"note: {text}")

    def _line(self, text: str) -> None:
        """A line, or several where a terminal is too narrow, above the bar."""
        tqdm.write(wrapped(visible(text), "" if text.startswith("note: ") else INDENT), file=sys.stderr)


class LineDisplay(TrainingDisplay):
    """Draws a training as a single line under a name: on a terminal after a bar, elsewhere begun when it begins."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._name, self._begun = f"{name}: ", False

    def close(self) -> None:
        """Leave the screen to others, on a line of their own."""
        super().close()
        if self._begun:
            sys.stderr.write("\n")
            self._begun = False

    def _begin(self, event: Started) -> None:
        self._notes(event.notes)
        self._open_bar(self._name)
        if self.bar is None:
            sys.stderr.write(self._name)
            sys.stderr.flush()
            self._begun = True

    def _evaluated(self, event: Evaluated) -> None:
        pass

    def _finished(self, event: Finished) -> None:
        if event.reason == "interrupted":
            self.close()
            super()._finished(event)
            return
        losses = [("val", event.val_bpc), ("test", event.test_bpc)]
        figures = [f"{split} {bpc:.3f}" for split, bpc in losses if bpc is not None]
        line = ", ".join([*figures, f"{counted(event.step, 'step')} in {duration(event.seconds)}"])
        self._line(line if self._begun else self._name + line)
        self._begun = False
        self._notes(event.notes)


@contextlib.contextmanager
def encoding_bar(*, quiet: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Something to tell of bytes encoded; it draws a bar once a text takes more than a moment."""
    with options.bar("encoding", None, quiet=quiet, unit="B") as bar:

        def tell(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield tell


def preview(sample: str, length: int) -> str:
    """The first ``length`` characters of a sample on one line, without a word cut off, unless it is the only one."""
    words = sample[:length].split()
    at_end = sample[max(0, length - 1) : length + 1]
    if len(words) > 1 and not any(character.isspace() for character in at_end):
        words.pop()
    return visible(" ".join(words))


def duration(seconds: float) -> str:
    """Minutes and seconds, as in 4:07."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
