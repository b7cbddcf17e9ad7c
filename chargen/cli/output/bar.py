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

    def clear(self, nolock: bool = False) -> None:
        """Make room for a line that is written above the bar."""
        super().clear(nolock)
        if not self.disable:
            self.fp.write(_WIPE)

    def close(self) -> None:
        """End the bar, and leave its line empty, with the cursor at its beginning."""
        was_shown = not self.disable and self.last_print_t >= self.start_t + (self.delay or 0)
        super().close()
        if was_shown and not self.leave:
            self.fp.write(_WIPE)
