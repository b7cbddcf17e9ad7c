"""Options that several commands have, those that follow from the settings, and notes to the person."""

import functools
import inspect
import math
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from chargen.cli import completion
from chargen.cli.output.terminal import visible, wrapped
from chargen.setting import Config, Setting

if TYPE_CHECKING:
    from rich.console import Console
    from tqdm import tqdm

NOTES: Final = 10


def option(panel: str, text: str, *names: str, **more: Any) -> Any:
    """An option under a heading; with ``names`` where its parameter does not give them."""
    return typer.Option(*names, help=text, rich_help_panel=panel, **more)


def within(low: float = 0, high: float = math.inf, *, choices: tuple[str, ...] = ()) -> Callable[..., Any]:
    """The callback of an option that refuses a number out of a range, or no choice, before the command begins."""
    setting = Setting("", str if choices else int, low, high, choices=choices)

    def check(parameter: typer.CallbackParam, value: Any) -> Any:
        if value is not None:
            setting.check(str(parameter.name), value)
        return value

    return check


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Threads = Annotated[
    int, typer.Option(min=0, max=4096, help="CPU threads; 0 for as many as there are idle cores.", show_default=False)
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write it also as a page for the browser to this file.")
]
Checkpoint = Annotated[
    str, typer.Argument(help="A checkpoint file, a run's folder or name.", autocompletion=completion.models)
]
CheckpointPath = Annotated[
    str | None,
    typer.Argument(
        help="A checkpoint file, a run's folder or name; without one, the newest run or else alice, the pretrained "
        "model.",
        autocompletion=completion.models,
    ),
]
Sources = Annotated[
    list[str] | None,
    typer.Argument(
        help="Built-in corpora, files, folders, or - for stdin; without any, Alice.", autocompletion=completion.corpora
    ),
]
Lines = Annotated[bool, option("Text", "Learn a list, such as names: each line is an item.", "--lines")]
Separator = Annotated[
    str | None, option("Text", "Learn a list, such as poems: a line that equals this divides its items.")
]
Files = Annotated[bool, option("Text", "Learn a list: each file is an item.", "--files")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write the vectors to this .npy file.")]


def settings(
    *kinds: type[Config],
    only: Collection[str] = (),
    without: Collection[str] = (),
    panel: str | None = None,
    defaults: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a command an option for each setting of ``kinds``, after its own options.

    The command takes them as ``**settings``, and gets those that were given, by their names, each within its range. It
    may be decorated more than once.

    Args:
        kinds: Where the settings are declared.
        only: The settings to take; all without.
        without: Settings to leave out.
        panel: The heading they stand under instead of their own.
        defaults: What the help says in the place of some defaults.
    """
    declared = {
        name: kind
        for kind in kinds
        for name in kind.settings()
        if hasattr(kind, name) and (not only or name in only) and name not in without
    }
    parameters = [_parameter(kind, name, panel, (defaults or {}).get(name)) for name, kind in declared.items()]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        before = [at for at in signature.parameters.values() if at.kind is not at.VAR_KEYWORD]
        decorated = "invocation" in signature.parameters

        @functools.wraps(command)
        def with_settings(*, invocation: typer.Context, **arguments: Any) -> None:
            values = {name: arguments.pop(name) for name in declared}
            given = {name: value for name, value in values.items() if is_given(invocation, name)}
            for name, value in given.items():
                declared[name].settings()[name].check(name, value)
            if decorated:
                arguments["invocation"] = invocation
            command(**arguments, **given)

        if not decorated:
            before.append(inspect.Parameter("invocation", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
        with_settings.__signature__ = signature.replace(parameters=before + parameters)  # type: ignore[attr-defined]
        return with_settings

    return decorate


def taken(given: dict[str, Any], kind: type[Config]) -> dict[str, Any]:
    """Those of the settings given that are of one kind, taken out of ``given``."""
    return {name: given.pop(name) for name in kind.settings() if name in given}


def _parameter(kind: type[Config], name: str, panel: str | None, default: str | None) -> inspect.Parameter:
    """The parameter of a command that is the option of a setting."""
    setting, value = kind.settings()[name], getattr(kind, name)
    plain = name.replace("_", "-")
    declared = typer.Option(
        *(setting.names or [f"--{plain}/--no-{plain}" if value is True else f"--{plain}"]),
        help=f"{setting.help} One of {', '.join(setting.choices)}." if setting.choices else setting.help,
        metavar=_metavar(setting),
        parser=str.lower if setting.choices else None,
        rich_help_panel=panel or setting.panel or kind.panel,
        show_default=default or True,
    )
    annotation = Annotated[setting.kind, declared]  # type: ignore[name-defined]  # known when it runs
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=annotation)


def is_given(invocation: typer.Context, name: str) -> bool:
    """Whether a parameter was typed, even with its default as its value."""
    source = invocation.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _metavar(setting: Setting) -> str | None:
    """The range of a number, where it tells something; None for the name of its type."""
    if setting.kind not in (int, float) or setting.is_wide:
        return None
    return f"{setting.low:g}..{setting.high:g}"


def refuse_without(switch: str, given: Collection[str]) -> None:
    """Refuse settings that have no meaning without the option ``switch``.

    Raises:
        typer.BadParameter: one is given.
    """
    for name in given:
        raise typer.BadParameter(f"it needs {switch}", param_hint="--" + name.replace("_", "-"))


def refuse_unwritable(option: str, path: Path | None) -> None:
    """Find out before any work whether the file of an option, if one is named, can be written after it.

    Raises:
        typer.BadParameter: it cannot.
    """
    if path is None:
        return
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file in it", param_hint=option)
    if path.exists() and not path.is_file():  # a device or a pipe, which is written into as it is
        if not os.access(path, os.W_OK):
            raise typer.BadParameter(f"{path} cannot be written", param_hint=option)
        return
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written, since {folder} cannot", param_hint=option)


def bar(name: str, total: int | None, *, quiet: bool, unit: str = "char", slow: bool = False) -> "tqdm[Any]":
    """A bar for what is done one after the other, characters read or others.

    It shows at once where that is known to be ``slow``, and otherwise once it takes more than a moment.
    """
    from chargen.cli.output.bar import Bar

    return Bar(
        total=total,
        desc=visible(name),
        unit=unit,
        unit_scale=unit in ("char", "B"),
        delay=0.0 if slow else 1.0,
        leave=False,
        dynamic_ncols=True,
        disable=quiet or not sys.stderr.isatty(),
    )


def checkpoint_file(name: str | None, *, quiet: bool) -> Path:
    """The file of the model that a command is to use; where the name does not say which that is, a note does, and why.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    from chargen.store import lookup

    path = lookup.find(name)
    explanation = lookup.explain(name, path)
    if explanation:
        note(explanation, quiet=quiet)
    return path


def note(text: str, *, quiet: bool = False) -> None:
    """Tell the person something, on stderr, unless it is to be quiet."""
    if not quiet:
        sys.stderr.write(wrapped(f"note: {visible(text)}") + "\n")


def notes(texts: Iterable[object], *, quiet: bool = False) -> None:
    """Tell several things likewise, but no more than a screen holds."""
    lines = [] if quiet else list(texts)
    for line in lines[:NOTES]:
        note(str(line))
    if len(lines) > NOTES:
        note(f"and {len(lines) - NOTES:,} more of these")


def stdout() -> "Console":
    """A console for results that are drawn; it honours NO_COLOR."""
    from rich.console import Console

    return Console(highlight=False)
