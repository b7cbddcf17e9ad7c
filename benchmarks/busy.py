"""Training beside other work: the default number of threads against fixed ones, beside processes that only spin.

    python benchmarks/busy.py
    python benchmarks/busy.py --size 2x384 --spinning 2 --rounds 9

The default is what ``chargen train`` does: it tries how many threads suit the moment, here beside the spinning
processes, and keeps to them. All take turns, each in a process of its own; a figure is the median of the rounds, a
ratio the median of the rounds' ratios. Anything else that runs meanwhile is one more busy process.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
from collections.abc import Iterator

import numpy as np

from chargen.bench.contestants import chargen_training
from chargen.bench.interleaved import Contestant, race
from chargen.bench.measure import architecture
from chargen.config import ModelConfig, TrainConfig
from chargen.threads import bound_waiting, cores
from chargen.training import automatic, hardware

SIZES = ("2x384", "2x512")
SPINNING = (0, 1, 2)


def main() -> None:
    """Print a row for each network and number of spinning processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", action="append", help=f"layers x hidden size; without any {', '.join(SIZES)}")
    parser.add_argument("--spinning", type=int, action="append", help="processes that spin; without any 0, 1 and 2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    arguments = parser.parse_args()
    bound_waiting()
    counts = sorted({1, cores()})
    names = [f"{count} thread{'s' * (count > 1)}" for count in counts]
    print(f"{'network':8} {'spinning':>8} {'default':>10} {''.join(f'{name:>11}' for name in names)}  of the best")  # noqa: T201
    for size in arguments.size or SIZES:
        model = dataclasses.replace(architecture(size), skip=True)
        train = TrainConfig(device="cpu", precision=hardware.choose_precision("auto", "cpu"))
        entered = [Contestant(default_training, (model, train), cores())]
        for count in counts:
            fixed = dataclasses.replace(train, threads=count)
            entered.append(Contestant(chargen_training, (model, fixed), count))
        for processes in arguments.spinning or SPINNING:
            with spinning(processes):
                raced = race(entered, rounds=arguments.rounds, seconds=arguments.seconds)
            default, *fixed_rates = np.median(raced.rates, axis=0)
            best = 1 + int(np.argmax(fixed_rates))
            ratio = np.median(raced.rates[:, 0] / raced.rates[:, best])
            rates = "".join(f"{rate:11,.0f}" for rate in fixed_rates)
            print(f"{size:8} {processes:8} {default:10,.0f} {rates}  {ratio:11.2f}", flush=True)  # noqa: T201


def default_training(model: ModelConfig, train: TrainConfig) -> Iterator[int]:
    """The steps of a training whose number of threads was found by a trial just now."""
    return chargen_training(model, automatic.with_threads(train, model))


@contextlib.contextmanager
def spinning(processes: int) -> Iterator[None]:
    """So many processes that only spin."""
    started = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(processes)]
    for process in started:
        process.start()
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.join()


def _spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
