"""Character-level recurrent networks: train one on any text, and write more of it.

    import chargen

    result = chargen.train("alice", hidden_size=256, epochs=10)
    model = chargen.load(result.best)
    print(model.sample("Alice was", length=200, temperature=0.7, seed=1))

Threads may share a model. Where several use one, or other work keeps the machine busy, set ``OPENBLAS_NUM_THREADS=1``
before NumPy is imported and ``GOMP_SPINCOUNT=30000`` before torch is: threads of theirs that wait for each other would
otherwise wait for everything else too. The command line does so by itself (``chargen.threads``).

Names are imported when they are first used, so that ``import chargen`` costs nothing and only training loads torch.
"""

import importlib

TYPE_CHECKING = False  # typing's, whose import would leave the command line's first Ctrl-C to Python for longer
if TYPE_CHECKING:
    from chargen.api import classify, load, resume, train
    from chargen.errors import (
        ChargenError,
        CheckpointError,
        ConfigError,
        CorpusError,
        RunError,
        TextError,
        TrainingError,
    )
    from chargen.model import Model

__version__ = "0.1.0"

__all__ = [
    "ChargenError",
    "CheckpointError",
    "ConfigError",
    "CorpusError",
    "Model",
    "RunError",
    "TextError",
    "TrainingError",
    "classify",
    "load",
    "resume",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "chargen.errors" if name.endswith("Error") else "chargen.model" if name == "Model" else "chargen.api"
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return ["__version__", *__all__]
