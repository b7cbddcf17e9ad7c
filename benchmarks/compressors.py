"""What general compressors make of a text's last part, primed with everything before it, in bits per character.

    python benchmarks/compressors.py                       # Alice
    python benchmarks/compressors.py book.txt
    python benchmarks/compressors.py --variant H --order 8 --memory 16

A split costs what the compressed text up to its end is longer than the compressed text up to its beginning: a
compressor that has seen all that comes before, as a model trained on it has. The splits are those of ``chargen train``.
gzip looks back no further than 32 KB. PPMd's variant (H is 7-Zip's, I is that of later PPMd programs), order and memory
are those that do best on the validation split, unless they are given; the test split has no say.
"""

import argparse
import gzip
import itertools
import lzma
import sys
from collections.abc import Callable, Iterable
from functools import partial

import pyppmd

from chargen.config import TrainConfig
from chargen.errors import ChargenError
from chargen.text.corpus import DEFAULT, Texts

VARIANTS = "HI"
ORDERS = range(2, 17)
MEMORIES = (4, 16, 64)  # MB

Compressor = Callable[[bytes], bytes]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="?", default=DEFAULT, help="a built-in corpus or a file")
    parser.add_argument("--val-fraction", type=float, default=0.05, help="share of the text for validation")
    parser.add_argument("--test-fraction", type=float, default=0.05, help="share of the text for the test, at its end")
    parser.add_argument("--variant", choices=[*VARIANTS], help="of PPMd")
    parser.add_argument("--order", type=int, choices=range(2, 65), metavar="BYTES", help="of PPMd")
    parser.add_argument("--memory", type=int, choices=range(1, 1025), metavar="MB", help="of PPMd")
    arguments = parser.parse_args()
    found = Texts((arguments.text,)).load()
    split = found.split(TrainConfig(val_fraction=arguments.val_fraction, test_fraction=arguments.test_fraction))
    text = found.vocab.text_of(found.ids[:])
    settings = itertools.product(
        arguments.variant or VARIANTS,
        [arguments.memory] if arguments.memory else MEMORIES,
        [arguments.order] if arguments.order else ORDERS,
    )
    name, chosen = best_ppmd(text, split.val, settings)
    compressors: dict[str, Compressor] = {
        "gzip -9": partial(gzip.compress, compresslevel=9, mtime=0),
        "xz -9e": partial(lzma.compress, preset=9 | lzma.PRESET_EXTREME),
        name: chosen,
    }
    lines = [f"{'compressor':36} validation   test"]
    for name, compress in compressors.items():
        val, test = (bits_per_character(compress, text, span) for span in (split.val, split.test))
        lines.append(f"{name:36} {val:10.3f} {test:6.3f}")
    lines.append(f"{found.name}: {len(split.val):,} validation and {len(split.test):,} test characters")
    sys.stdout.write("\n".join(lines) + "\n")


def bits_per_character(compress: Compressor, text: str, span: range) -> float:
    """What the characters of ``span`` cost after all those before them; nan where there are none."""
    if not span:
        return float("nan")
    before, after = (len(compress(text[:end].encode())) for end in (span.start, span.stop))
    return (after - before) * 8 / len(span)


def best_ppmd(text: str, val: range, settings: Iterable[tuple[str, int, int]]) -> tuple[str, Compressor]:
    """The PPMd compressor, and its name, that needs least for ``val``; the first of equals."""
    compressors = {
        f"PPMd {variant}, order {order}, {memory} MB": partial(
            pyppmd.compress, variant=variant, max_order=order, mem_size=memory << 20
        )
        for variant, memory, order in settings
    }
    return min(compressors.items(), key=lambda item: bits_per_character(item[1], text, val))


if __name__ == "__main__":
    try:
        main()
    except ChargenError as error:
        sys.exit(f"error: {error}")
