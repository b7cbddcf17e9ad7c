"""How much it helps to see both sides of a gap: bits per missing character on the test split.

    python benchmarks/infilling.py checkpoints/both/best.safetensors

Gaps of each length are cut at random places into the test split of the corpus that the checkpoint was trained on, with
300 characters of context before and 100 after. The figure is the mean of -log2 p(true character) over the missing
characters, p being its marginal probability given the known characters alone: from both sides estimated by Gibbs
sampling with the joint read-out, from the left by the forward half's own continuations of the context before the gap.
Both come from the same checkpoint and the same gaps.
"""

import argparse
from pathlib import Path

import numpy as np

import chargen
from chargen.config import InfillConfig
from chargen.inference.infill import Infiller

LENGTHS = (1, 3, 5, 10)
BEFORE, AFTER = 300, 100


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a bidirectional checkpoint")
    parser.add_argument("--corpus", default="alice", help="the text it was trained on")
    parser.add_argument("--gaps", type=int, default=200, help="gaps of each length")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    model = chargen.load(arguments.checkpoint)
    infiller = Infiller(model.checkpoint.model, model.checkpoint.weights, model.vocab)
    ids = model.vocab.ids_of(model.held_out("test", sources=[arguments.corpus]).text)
    random = np.random.default_rng(arguments.seed)
    print("gap   both sides   left only   bits per missing character")  # noqa: T201
    for length in LENGTHS:
        both, left = [], []
        for start in random.integers(BEFORE, len(ids) - AFTER - length, arguments.gaps):
            window = ids[start - BEFORE : start + length + AFTER]
            missing = range(BEFORE, BEFORE + length)
            true = window[BEFORE : BEFORE + length]
            at = np.arange(length)
            both.append(-np.log2(infiller.marginals(window, missing, InfillConfig(seed=int(start)))[at, true]))
            left.append(-np.log2(infiller.left_marginals(window, missing, InfillConfig(seed=int(start)))[at, true]))
        print(f"{length:3}   {np.mean(both):10.3f}   {np.mean(left):9.3f}")  # noqa: T201


if __name__ == "__main__":
    main()
