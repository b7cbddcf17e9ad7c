"""What can go wrong, as one small tree.

Every message is one line: what was wrong, with which value, and what to do. The command line prints that line and
exits with code 1, or with 2 after a ConfigError that is no MismatchError, which is wrong usage; the library lets the
exception through.
"""


class ChargenError(Exception):
    """Base of every error that chargen raises on purpose."""


class ConfigError(ChargenError):
    """A setting is out of its range, or two settings contradict each other."""


class MismatchError(ConfigError):
    """A setting is good in itself, but does not go with this text, checkpoint or machine."""


class CorpusError(ChargenError):
    """A text cannot be read, decoded, split or encoded."""


class CheckpointError(ChargenError):
    """A file is not a whole, consistent chargen checkpoint."""


class RunError(ChargenError):
    """A run folder exists already, is missing, or cannot be written."""


class TextError(ChargenError):
    """A model cannot take this prompt or text."""


class TrainingError(ChargenError):
    """A training had to stop: its loss is not finite, or a process was lost."""


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch raised ``error`` for want of memory, a GPU's or the machine's."""
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
