"""A training's progress as a bar of one line."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

from chargen.training.events import Evaluated, Event, Finished, Started, Stepped

# What matters most comes first, since a narrow terminal cuts off the end
_FORMAT: Final = "{desc}{remaining} left {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"


class TrainingBar:
    """A bar that follows the events of a training.

    Args:
        tqdm: The class of the bar: ``tqdm``'s own, or ``tqdm.auto``'s, which a notebook draws in its own way.
        label: What it begins with; it then has room for less.
        leave: Whether it stays when the training ends.
    """

    def __init__(self, tqdm: type[Any], *, label: str = "", leave: bool = True) -> None:
        self._tqdm, self._label, self._leave = tqdm, label, leave
        self._bar: Any = None

    def __call__(self, event: Event) -> None:
        """Draw what ``event`` tells."""
        match event:
            case Started():
                self._bar = self._tqdm(
                    desc=self._label,
                    total=event.total_steps,
                    initial=event.step,
                    bar_format=_FORMAT,
                    dynamic_ncols=True,
                    leave=self._leave,
                )
            case Stepped():
                self._bar.total = event.total_steps
                if not self._label:
                    figures = f"train {event.train_bpc:.3f}, {event.chars_per_second:,.0f} char/s"
                    self._bar.set_postfix_str(figures, refresh=False)
                self._bar.update(event.step - self._bar.n)
            case Evaluated():
                if event.evaluation.val_bpc is not None:
                    self._bar.set_description_str(f"{self._label}val {event.evaluation.val_bpc:.3f} bpc, ")
            case Finished():
                self.close()

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()


@contextlib.contextmanager
def training_bar(*, shown: bool) -> Iterator[Callable[[Event], None]]:
    """What draws the events of a training that was begun in Python, if they are to be ``shown``.

    A notebook gets a widget, or a bar in characters where it has none.
    """
    if not shown:
        yield lambda _event: None
        return
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # of widgets that are not installed
        from tqdm.auto import tqdm
    with contextlib.closing(TrainingBar(tqdm)) as bar:
        yield bar
