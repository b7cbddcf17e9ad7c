"""A bar on the terminal."""

from typing import Any, Final

from tqdm import tqdm

_INTERRUPT: Final = "^C"
_WIPE: Final = "\r\x1b[K"
"""Has a terminal clear the line that the cursor is in."""


class Bar(tqdm):  # type: ignore[type-arg]  # it takes none when it runs
    """A bar that leaves room for the ^C that a terminal writes behind it, and wipes that off when it ends."""

    @property
    def format_dict(self) -> dict[str, Any]:
        """What is drawn, with the columns there are for it."""
        drawn = super().format_dict
        return {**drawn, "ncols": drawn["ncols"] and drawn["ncols"] - len(_INTERRUPT)}

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw the bar; with an empty ``msg``, which is its end, wipe it off."""
        if msg == "":
            self.fp.write(_WIPE)
        super().display(msg, pos)
