"""What the temperature does to what a model writes: how many of its words there are, and how much of it is copied.

    python benchmarks/temperature.py                       # the model of Alice that comes with chargen
    python benchmarks/temperature.py mine --text book.txt

A word is known that the text trained on or one of the built-in corpora of English has, in any case. Copied are the
characters that stand in a stretch of 20 or more that the training split has too. Each row is 20 texts of 500
characters, with the seeds 1 to 20.
"""

import argparse
import re
import sys

import chargen
from chargen.errors import ChargenError
from chargen.text.corpus import DEFAULT, Texts

TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
STRETCH = 20
"""Characters that are no coincidence any more."""
WORD = re.compile(r"[A-Za-z']+")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="alice", help="a checkpoint, or a run's name")
    parser.add_argument("--text", default=DEFAULT, help="what it was trained on: a built-in corpus or a file")
    options = parser.parse_args()
    try:
        model = chargen.load(options.model)
        text = Texts((options.text,)).load()
        english = Texts(("english",)).load()
    except ChargenError as error:
        sys.exit(f"error: {error}")
    trained = text.vocab.text_of(text.ids[slice(*model.checkpoint.corpus.train)])
    known = set(words(text.vocab.text_of(text.ids[:]))) | set(words(english.vocab.text_of(english.ids[:])))
    stretches = {trained[at : at + STRETCH] for at in range(len(trained) - STRETCH + 1)}
    sys.stdout.write("| temperature | words known | copied |\n|---|---|---|\n")
    for temperature in TEMPERATURES:
        texts = [model.sample(length=500, temperature=temperature, seed=seed) for seed in range(1, 21)]
        written = [word for sample in texts for word in words(sample)]
        share = sum(word in known for word in written) / len(written)
        copies = sum(copied(sample, stretches) for sample in texts) / sum(map(len, texts))
        sys.stdout.write(f"| {temperature} | {share:.1%} | {copies:.1%} |\n")


def words(text: str) -> list[str]:
    """The words of a text, in small letters; the first and the last, which may be cut, are left out."""
    return [word.strip("'") for word in WORD.findall(text.lower()) if word.strip("'")][1:-1]


def copied(text: str, stretches: set[str]) -> int:
    """How many characters of a text lie in a stretch that is in ``stretches``."""
    inside: set[int] = set()
    for at in range(len(text) - STRETCH + 1):
        if text[at : at + STRETCH] in stretches:
            inside.update(range(at, at + STRETCH))
    return len(inside)


if __name__ == "__main__":
    main()
