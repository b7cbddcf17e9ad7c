"""The least time in which a training under ``--minutes`` reaches given losses on a text's validation split.

    python benchmarks/time_to_quality.py shakespeare.txt --losses 1.4697 1.404
    python benchmarks/time_to_quality.py shakespeare.txt --losses 1.4697 1.404 --init-from english
    python benchmarks/time_to_quality.py --budgets 0.5 1 2 --bisections 2 --ppmd

Losses are in nats per character, times those of the whole process, from its start until everything is saved. Each
budget is a training of its own. With ``--bisections`` more budgets are tried between the longest that missed a loss and
the shortest that reached it. ``--ppmd`` adds a loss: that of the best primed PPMd (benchmarks/compressors.py).
"""

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from chargen.config import TrainConfig
from chargen.errors import ChargenError
from chargen.text.corpus import DEFAULT, Texts

BUDGETS = (0.5, 0.75, 1.0, 2.0)  # minutes


class Result(NamedTuple):
    """What came of one training."""

    seconds: float
    nats: float


def main() -> None:
    """Print a row for each budget, and the least time for each loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="?", default=DEFAULT, help="a built-in corpus or a file")
    parser.add_argument("--losses", type=float, nargs="+", default=[], help="to reach, in nats per character")
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS, help="minutes to try, in rising order")
    parser.add_argument("--bisections", type=int, default=0, help="budgets tried between a miss and a hit")
    parser.add_argument("--init-from", help="begin with this model's weights")
    parser.add_argument("--val-fraction", type=float, default=0.1, help="share of the text for validation, at its end")
    parser.add_argument("--ppmd", action="store_true", help="add the loss of PPMd, primed with the training split")
    arguments = parser.parse_args()
    losses = {f"{loss:.4f}": loss for loss in arguments.losses}
    if arguments.ppmd:
        name, loss = ppmd(arguments.text, arguments.val_fraction)
        losses[f"{loss:.4f}, {name}"] = loss
    options = ["--val-fraction", str(arguments.val_fraction), "--test-fraction", "0"]
    options += ["--init-from", arguments.init_from] if arguments.init_from else []
    results: dict[float, Result] = {}

    def tried(minutes: float) -> Result:
        results[minutes] = trained(arguments.text, minutes, options)
        print(f"{minutes:7.3f} minutes {results[minutes].seconds:7.1f} s {results[minutes].nats:8.4f} nats", flush=True)  # noqa: T201
        return results[minutes]

    for minutes in arguments.budgets:
        tried(minutes)
    for loss in losses.values():
        for _ in range(arguments.bisections):
            reached = [minutes for minutes, result in results.items() if result.nats <= loss]
            missed = [minutes for minutes in results if reached and minutes < min(reached)]
            if missed:
                tried((max(missed) + min(reached)) / 2)
    print("\nloss in nats  seconds")  # noqa: T201
    for name, loss in losses.items():
        seconds = [result.seconds for result in results.values() if result.nats <= loss]
        print(f"{name}  {f'{min(seconds):.1f}' if seconds else 'not reached'}")  # noqa: T201


def trained(text: str, minutes: float, options: list[str]) -> Result:
    """Train on ``text`` for so many minutes, in a folder that is removed afterwards."""
    source = str(Path(text).resolve()) if Path(text).exists() else text
    train = [sys.executable, "-m", "chargen", "train", source, "--minutes", str(minutes), "--run", "run"]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603
            [*train, *options, "--json", "--quiet"], cwd=folder, stdout=subprocess.PIPE, check=True
        )
        seconds = time.perf_counter() - began
    return Result(seconds, json.loads(done.stdout)["val_bpc"] * math.log(2))


def ppmd(text: str, val_fraction: float) -> tuple[str, float]:
    """The PPMd that does best on the validation split, and its loss there in nats per character."""
    from compressors import MEMORIES, ORDERS, VARIANTS, best_ppmd, bits_per_character

    read = Texts((text,)).load()
    val = read.split(TrainConfig(val_fraction=val_fraction, test_fraction=0.0)).val
    whole = read.vocab.text_of(read.ids[:])
    name, compress = best_ppmd(whole, val, itertools.product(VARIANTS, MEMORIES, ORDERS))
    return name, bits_per_character(compress, whole, val) * math.log(2)


if __name__ == "__main__":
    try:
        main()
    except (ChargenError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")
