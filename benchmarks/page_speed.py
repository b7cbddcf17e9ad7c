"""How fast the page is: until it is ready, and characters a second by each kernel.

    python benchmarks/page_speed.py [checkpoint] [--int8]

Each figure is the median of --repeats. Ready is the time from the start of the navigation until the page's scripts have
run; a character's time is that of the network's step and of the draw, without showing it.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Final

from browser import Browser

from chargen.store import lookup
from chargen.web.page import page

_KERNELS: Final = {"WebAssembly": "decoded(header.kernel)", "JavaScript": "null"}
_RATE: Final = """(() => {
  const writer = new Network(header, bytes, %s);
  const state = writer.start();
  const random = new Pcg64(1);
  let last = vocab.startId;
  const write = (count) => {
    const begun = performance.now();
    for (let at = 0; at < count; at++) last = draw(probabilities(writer.step(last, state)), random.random());
    return (1000 * count) / (performance.now() - begun);
  };
  write(300); // until the scripts are compiled
  return Array.from({ length: %d }, () => write(%d));
})()"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="alice")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--characters", type=int, default=1000, help="written at each repeat")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    checkpoint = lookup.load(lookup.find(arguments.checkpoint))
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        file = Path(folder) / "page.html"
        data = page(checkpoint, name="page", int8=arguments.int8)
        file.write_bytes(data)
        ready = []
        for _ in range(arguments.repeats):
            browser.open(file)
            ready.append(browser.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"))
        print(f"page                     {len(data) / 1e6:8.2f} MB")  # noqa: T201
        print(f"ready after              {statistics.median(ready):8.0f} ms")  # noqa: T201
        # the page lets go of its weights' text once it has read it; the measured networks need it
        text = data.partition(b'<script id="weights" type="text/plain">')[2].partition(b"</script>")[0].decode()
        browser.evaluate(f"globalThis.bytes = decoded('{text}'); null")
        for name, code in _KERNELS.items():
            rates = browser.evaluate(_RATE % (code, arguments.repeats, arguments.characters))
            print(f"{name:12} {statistics.median(rates):20,.0f} characters/s")  # noqa: T201


if __name__ == "__main__":
    main()
