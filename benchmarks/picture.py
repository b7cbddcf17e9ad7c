"""The README's picture of the page: the pretrained model's unit that follows quotations.

python benchmarks/picture.py docs/pictures/page.png
"""

import argparse
import tempfile
from pathlib import Path

from browser import Browser

from chargen.atomic import replacing
from chargen.store import lookup
from chargen.web.export import html


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    path = lookup.find("alice")
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        page = Path(folder) / "alice.html"
        page.write_bytes(html(lookup.load(path), path).data)
        browser.screen(900, 760)
        browser.open(page)
        browser.evaluate("element('neurons-tab').click()")
        browser.wait("memories.length === header.example.length && element('neurons-stop').disabled")
        browser.evaluate("element('neurons-text').rows = 2")
        with replacing(arguments.output) as file:
            file.write(browser.picture())


if __name__ == "__main__":
    main()
