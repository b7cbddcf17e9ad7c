"""Settings that suit a text of a given size, and how a user's own settings replace them."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from chargen.config import ModelConfig, TrainConfig
from chargen.errors import ConfigError

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "quick": {"num_layers": 1, "hidden_size": 256, "epochs": 15},
    "default": {},
    "best": {"epochs": 60},
}
"""What each preset changes of the defaults in ``ModelConfig`` and ``TrainConfig``."""

LARGE_SPLIT: Final = 1_000_000  # characters; by default a validation or test split has no more

_MODEL: Final = frozenset(field.name for field in dataclasses.fields(ModelConfig)) - {"vocab_size"}
_TRAIN: Final = frozenset(field.name for field in dataclasses.fields(TrainConfig))


def settings(
    characters: int, vocab_size: int, *, preset: str = "default", **wanted: Any
) -> tuple[ModelConfig, TrainConfig]:
    """The settings to train with.

    Args:
        characters: Length of the whole text.
        vocab_size: Distinct ids.
        preset: One of ``PRESETS``.
        wanted: The user's own settings, by their names in ``ModelConfig`` and ``TrainConfig``.

    Raises:
        ConfigError: a preset or a setting is unknown, or a value is out of its range.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    unknown = sorted(set(wanted) - _MODEL - _TRAIN)
    if unknown:
        raise ConfigError(f"unknown setting {', '.join(map(repr, unknown))}")
    share = min(TrainConfig.val_fraction, LARGE_SPLIT / max(1, characters))
    chosen: dict[str, Any] = {"val_fraction": share, "test_fraction": share, **PRESETS[preset], **wanted}
    model = {name: value for name, value in chosen.items() if name in _MODEL}
    train = {name: value for name, value in chosen.items() if name in _TRAIN}
    return ModelConfig(vocab_size=vocab_size, **model), TrainConfig(**train)
