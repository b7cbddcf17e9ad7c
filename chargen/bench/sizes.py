"""What is measured: the sizes of networks, the windows they are trained in, and the settings of a measurement."""

from dataclasses import dataclass
from typing import Final

from chargen.config import PRECISIONS, TrainConfig
from chargen.setting import Config, setting

SIZES: Final = ("2x128", "2x512", "1x1024")
"""Layers x hidden size of the networks whose speed is measured."""
SMALL: Final = 128
"""Hidden size up to which speed is measured in char-rnn's windows."""
WINDOWS: Final = {"batch_size": (50, 64), "bptt": (50, 128)}
"""Batch size and bptt of those windows, and of larger networks'."""


def _by_size(name: str) -> str:
    small, large = WINDOWS[name]
    return f"0 for {small} up to hidden size {SMALL}, {large} above"


@dataclass(frozen=True, kw_only=True)
class BenchConfig(Config):
    """How speed is measured."""

    batch_size: int = setting(0, f"Columns of a training window; {_by_size('batch_size')}.", 0, 1 << 20)
    bptt: int = setting(0, f"Steps of a training window; {_by_size('bptt')}.", 0, 1 << 20)
    # the textbook's is fp32
    precision: str = setting(
        TrainConfig.precision, "Precision of chargen's and the competent training.", choices=PRECISIONS
    )
    threads: int = setting(0, "CPU threads of each contestant; 0 as training and sampling choose.", 0, 4096)
    rounds: int = setting(5, "Rounds in which the contestants take turns.", 1, 1 << 20, names=("--repeats",))
    seconds: float = setting(1.0, "Length of a turn, at least.", 0, 3600, above=True)
