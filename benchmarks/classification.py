"""How often ``chargen classify`` names the right model for short excerpts that no model has trained on.

    chargen train corpora/alice.txt --run alice
    chargen train shakespeare.txt --run shakespeare
    python benchmarks/classification.py alice corpora/alice.txt shakespeare shakespeare.txt

Arguments are pairs: a checkpoint, run's folder or name, and the text that it was trained on. From what follows the
training split of each text (validation and test, by default the last tenth), excerpts are taken at even distances;
where there are many they overlap. Each is classified twice: as it is, and without the characters that not all models
know, which shows how much is owed to vocabularies alone. The validation split has chosen the best checkpoint of a
run, but no weight was trained on it; ``--split test`` leaves it out.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import chargen


def main() -> None:
    """Print the accuracy for each text and all together."""
    parser = argparse.ArgumentParser(
        description="Accuracy of chargen classify on held-out excerpts.", epilog="Arguments: MODEL TEXT MODEL TEXT ..."
    )
    parser.add_argument("pairs", nargs="+", metavar="MODEL TEXT", help="a checkpoint and the text it was trained on")
    parser.add_argument("--excerpts", type=int, default=200, help="of each text")
    parser.add_argument("--length", type=int, default=100, help="characters of an excerpt")
    parser.add_argument("--split", choices=("held-out", "test"), default="held-out", help="where excerpts come from")
    arguments = parser.parse_args()
    names, paths = arguments.pairs[::2], arguments.pairs[1::2]
    if len(names) != len(paths) or len(names) < 2:
        parser.error("give two pairs of a model and its text, or more")
    models = [chargen.load(name) for name in names]
    excerpts = [
        _excerpts(model, Path(path), arguments.split, arguments.excerpts, arguments.length)
        for model, path in zip(models, paths, strict=True)
    ]
    texts = [text for own in excerpts for text in own]
    truth = np.repeat(np.arange(len(models)), [len(own) for own in excerpts])

    start = time.perf_counter()
    verdicts = chargen.classify(texts, models)
    seconds = time.perf_counter() - start
    right = np.array([verdict.ranking[0] for verdict in verdicts]) == truth
    shared = set.intersection(*(set(model.vocab.characters) for model in models))
    plain = chargen.classify(["".join(c for c in text if c in shared) for text in texts], models)
    plain_right = np.array([verdict.ranking[0] for verdict in plain]) == truth
    margins = np.array([verdict.margin for verdict in verdicts])

    lines = [f"{'text':24} excerpts    right  without unshared characters  median margin in bits"]
    for at, name in [*enumerate(names), (-1, "all")]:
        own = truth == at if at >= 0 else truth >= 0
        lines.append(
            f"{name:24} {own.sum():8d} {right[own].mean():8.1%} {plain_right[own].mean():28.1%} "
            f"{np.median(margins[own]):22.1f}"
        )
    lines.append(f"{len(texts)} excerpts of {arguments.length} characters under {len(models)} models: {seconds:.2f} s")
    sys.stdout.write("\n".join(lines) + "\n")


def _excerpts(model: chargen.Model, path: Path, split: str, count: int, length: int) -> list[str]:
    """Excerpts at even distances from what the model has not trained on."""
    splits = ("test",) if split == "test" else ("val", "test")
    text = "".join(model.held_out(split, sources=[path], context=0).text for split in splits)
    if len(text) < length:
        raise SystemExit(f"error: {path} has {len(text)} held-out characters, too few for one excerpt of {length}")
    starts = np.linspace(0, len(text) - length, count).astype(int)
    return [text[start : start + length] for start in starts]


if __name__ == "__main__":
    main()
