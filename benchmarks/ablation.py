"""What each ingredient of training is worth: the same trainings with it and without.

    python benchmarks/ablation.py                               # Alice with the default settings: an hour or more
    python benchmarks/ablation.py --preset quick --jobs 2       # with those of a minute
    python benchmarks/ablation.py book.txt --only dropout skip --seeds 1

A row has the mean over the seeds of the bits per character on the validation and the test split, and the distance
between the best and the worst seed. Two ingredients do not act on training, so their rows judge the whole one again:
without calibration with its logits as they are, without averaging with the weights that its last step left. What the
preset does not have in the first place has no row. Trainings run in one thread each, ``--jobs`` at a time, in a folder
that is removed in the end; one that fails is left out.
"""

import argparse
import dataclasses
import itertools
import statistics
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chargen
from chargen import presets
from chargen.errors import ChargenError
from chargen.model import Model
from chargen.store.checkpoint import load
from chargen.store.runs import LAST
from chargen.text.corpus import DEFAULT, Texts

WHOLE = "nothing"
UNAVERAGED = "averaging"
UNCALIBRATED = "calibration"
LEFT_OUT: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "dropout": {"dropout": 0},
    "input-dropout": {"input_dropout": 0},
    "output-dropout": {"output_dropout": 0},
    "weight-drop": {"weight_drop": 0},
    "weight-decay": {"weight_decay": 0},
    "skip": {"skip": False},
    "clipping": {"grad_clip": 0},
    "second-layer": {"num_layers": 1},
}
"""The settings that leave an ingredient out."""

Bits = tuple[float, float]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="?", default=DEFAULT, help="a built-in corpus or a file")
    parser.add_argument("--preset", choices=presets.PRESETS, default="default", help="the whole recipe")
    parser.add_argument("--only", nargs="+", choices=[*LEFT_OUT][1:], help="what to leave out; without it, each")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], metavar="N", help="one training each")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="trainings at once")
    arguments = parser.parse_args()
    own = recipe(arguments.text, arguments.preset)
    asked = dict.fromkeys(arguments.only or [*LEFT_OUT][1:])
    rows = [WHOLE, *(name for name in asked if LEFT_OUT[name].items() - own.items())]
    plans = [(name, seed) for seed, name in itertools.product(dict.fromkeys(arguments.seeds), rows)]
    with (
        tempfile.TemporaryDirectory() as root,
        ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool,
    ):
        jobs = [pool.submit(train, arguments.text, arguments.preset, name, seed, root) for name, seed in plans]
        found: dict[str, list[Bits]] = {name: [] for name in [*rows, UNAVERAGED, UNCALIBRATED]}
        for (name, seed), job in zip(plans, jobs, strict=True):
            try:
                judged = job.result()
            except ChargenError as error:
                sys.stderr.write(f"without {name}, seed {seed}: {error}\n")
                continue
            for row, bits in judged.items():
                found[row].append(bits)
                sys.stderr.write(f"without {row}, seed {seed}: validation {bits[0]:.4f}, test {bits[1]:.4f}\n")
    sys.stdout.write(f"{'without':16} validation  spread    test  spread\n")
    for name, results in found.items():
        if not results:
            continue
        columns = [
            f"{statistics.mean(split):10.4f}  {max(split) - min(split):6.4f}" for split in zip(*results, strict=True)
        ]
        sys.stdout.write(f"{name:16} {columns[0]}{columns[1]}\n")


def recipe(text: str, preset: str) -> dict[str, Any]:
    """The preset's settings for the text."""
    found = Texts((text,)).load()
    model, train = presets.choose(len(found), len(found.vocab), preset=preset)
    return dataclasses.asdict(model) | dataclasses.asdict(train)


def train(text: str, preset: str, name: str, seed: int, root: str) -> dict[str, Bits]:
    """Bits per character on validation and test for each row that one training tells of."""
    run = f"{name}-{seed}"
    result = chargen.train(text, run=run, root=root, preset=preset, seed=seed, threads=1, preview=0, **LEFT_OUT[name])
    model = chargen.load(result.best)
    judged = {name: score(model, text)}
    if name == WHOLE:
        judged[UNAVERAGED] = score(unaveraged(model), text)
        judged[UNCALIBRATED] = score(rescaled(model, model.checkpoint.weights, 1 / scale(model)), text)
    return judged


def unaveraged(model: Model) -> Model:
    """The model with the weights of its training's last step in the place of their average."""
    last = load(model.path.with_name(LAST), with_state=True)
    tensors = last.resume.tensors if last.resume else {}
    weights = {name: tensors.get(f"weight.{name}", weight) for name, weight in last.weights.items()}
    return rescaled(model, weights, scale(model))


def rescaled(model: Model, weights: Mapping[str, NDArray[np.float32]], factor: float) -> Model:
    """The model with other weights, and their logits times ``factor``."""
    changed = {
        name: weight * np.float32(factor) if name.startswith("readout.") else weight for name, weight in weights.items()
    }
    return Model(dataclasses.replace(model.checkpoint, weights=changed), model.path)


def scale(model: Model) -> float:
    """The factor that calibration chose for the model's logits."""
    return model.checkpoint.history[-1].logit_scale if model.checkpoint.history else 1.0


def score(model: Model, text: str) -> Bits:
    """Bits per character on the validation and the test split."""
    bits = []
    for split in ("val", "test"):
        passage = model.held_out(split, sources=[text])
        bits.append(model.score(passage.text, before=passage.before).bpc)
    return bits[0], bits[1]


if __name__ == "__main__":
    try:
        main()
    except ChargenError as error:
        sys.exit(f"error: {error}")
