"""Pages shown in the person's browser."""

import os
import sys
from pathlib import Path


def open_in_browser(page: Path) -> None:
    """Open a file in the browser, where one would open a window: a text browser can't show such a page."""
    if sys.platform in ("win32", "darwin") or not {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}.isdisjoint(os.environ):
        import webbrowser

        webbrowser.open(page.absolute().as_uri())
