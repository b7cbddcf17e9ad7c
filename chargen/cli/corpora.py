"""``chargen corpora``: what there is to train on, and what is cached of large texts."""

from typing import Annotated, Final

import typer

from chargen.cli import options
from chargen.cli.output import tables
from chargen.cli.output.terminal import print_json
from chargen.errors import ConfigError
from chargen.wording import counted

_NUMBERS: Final = ("characters", "distinct", "size")


def corpora(
    *,
    cache: Annotated[bool, typer.Option("--cache", help="List the large corpora kept encoded in the cache.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="With --cache: remove them.")] = False,
    as_json: options.Json = False,
) -> None:
    """List the corpora that come with chargen, or the cache of large ones."""
    if clear and not cache:
        raise ConfigError("--clear removes what --cache lists; give both")
    if clear:
        _clear(as_json)
    elif cache:
        _cached(as_json)
    else:
        _builtin(as_json)


def _builtin(as_json: bool) -> None:
    from chargen.text.corpus import Texts
    from chargen.text.sources import LISTS, builtin

    texts = [Texts((name,)).load() for name in (*builtin(), *LISTS)]
    rows = [
        {"name": text.name, "characters": len(text), "distinct": len(text.vocab), "sha256": text.sha256}
        for text in texts
    ]
    if as_json:
        print_json({"corpora": rows})
    else:
        tables.show([row | {"characters": f"{row['characters']:,}"} for row in rows], right=_NUMBERS)


def _cached(as_json: bool) -> None:
    from datetime import datetime

    from chargen.text.cache import entries, folder

    cached = entries()
    if as_json:
        rows = [entry._asdict() | {"path": str(entry.path)} for entry in cached]
        print_json({"folder": str(folder()), "entries": rows})
        return
    tables.show(
        [
            {
                "name": entry.name,
                "characters": f"{entry.characters:,}",
                "size": _size(entry.size),
                "written": f"{datetime.fromtimestamp(entry.modified).astimezone():%Y-%m-%d %H:%M}",
            }
            for entry in cached
        ],
        right=_NUMBERS,
    )
    options.note(f"cached in {folder()}: {len(cached)}, {_size(sum(entry.size for entry in cached))} in all")


def _clear(as_json: bool) -> None:
    from chargen.text.cache import clear, entries, folder

    removed = len(entries())
    freed = clear()
    if as_json:
        print_json({"folder": str(folder()), "removed": removed, "freed": freed})
    else:
        options.note(
            f"removed from {folder()}: {counted(removed, 'text')} and the pages of chargen play, {_size(freed)} freed"
        )


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
