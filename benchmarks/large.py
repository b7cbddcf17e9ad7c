"""What a large text costs: encoding speed, memory, and how fast a second training starts.

    python benchmarks/large.py --megabytes 1000

The text is Alice repeated, with one character in fifty replaced at random so that no two copies are alike. It is made,
encoded, trained on for a few steps and removed, with its cache, in a temporary folder.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from chargen.text.corpus import Texts


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=300, help="of training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "large.txt"
        make(text, arguments.megabytes * 1_000_000)
        os.environ["CHARGEN_CACHE_DIR"] = str(Path(folder) / "cache")
        report = f"{text.stat().st_size / 1e6:,.0f} MB of text"
        seconds, again = (
            timed("from chargen.text.corpus import Texts; Texts(('large.txt',)).load()", folder) for _ in range(2)
        )
        print(f"{report}: encoded in {seconds:.1f} s, {text.stat().st_size / 1e6 / seconds:.0f} MB/s")  # noqa: T201
        print(f"opened again in {again:.2f} s")  # noqa: T201
        began = time.perf_counter()
        train = [sys.executable, "-m", "chargen", "train", "large.txt", "--steps", str(arguments.steps), "--quiet"]
        subprocess.run([*train, "--eval-every", str(arguments.steps)], cwd=folder, check=True)  # noqa: S603
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
        print(  # noqa: T201
            f"{arguments.steps} steps of training and both evaluations in {time.perf_counter() - began:.1f} s, "
            f"peak resident memory {peak:.0f} MB"
        )


def make(path: Path, size: int) -> None:
    """Write about ``size`` characters of perturbed copies of Alice."""
    alice = Texts().load()
    letters = np.frombuffer(alice.vocab.characters.encode("latin-1"), np.uint8)
    copy = letters[alice.ids[:]]
    random = np.random.default_rng(1)
    with path.open("wb") as file:
        for _ in range(size // len(copy) + 1):
            changed = np.where(random.random(len(copy)) < 0.02, random.choice(letters, len(copy)), copy)
            file.write(changed.astype(np.uint8).tobytes())


def timed(code: str, folder: str) -> float:
    """Seconds that a new Python takes to run ``code``."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)  # noqa: S603
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
