"""What the shell completes where a model or a text is to be named."""

import contextlib

from chargen.errors import ChargenError
from chargen.text import sources


def models(incomplete: str) -> list[str]:
    """The names of runs, and of the models that come with chargen, that begin so."""
    from chargen.store import lookup

    names = [*lookup.bundled()]
    with contextlib.suppress(ChargenError):  # of runs that cannot be read
        names = [*(folder.name for folder in lookup.runs_in()), *names]
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def corpora(incomplete: str) -> list[str]:
    """The names of the built-in corpora, and of lists of them, that begin so."""
    names = [*sources.builtin(), *sources.LISTS]
    return [name for name in names if name.startswith(incomplete)]
