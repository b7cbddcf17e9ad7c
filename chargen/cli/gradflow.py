"""``chargen gradflow``."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from chargen import presets
from chargen.cli import options
from chargen.cli.output.terminal import print_json
from chargen.config import CELLS, ModelConfig, TrainConfig

if TYPE_CHECKING:
    from tqdm import tqdm

    from chargen.cli.output.gradflow import Trial
    from chargen.experiments.gradflow import Clipping
    from chargen.experiments.networks import Subject


_FRESH: Final = "Fresh networks"


def _fresh(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel=_FRESH, show_default=False)


@options.settings(
    ModelConfig,
    TrainConfig,
    only=["num_layers", "hidden_size", "seed"],
    panel=_FRESH,
    defaults={"hidden_size": "by the text's size"},
)
def gradflow(
    checkpoint: Annotated[
        list[str] | None,
        typer.Argument(help="Checkpoints, runs' folders or names; without any, the newest run.", show_default=False),
    ] = None,
    *,
    cell: Annotated[list[str] | None, _fresh(f"Measure one of this cell: {', '.join(CELLS)}; repeatable.")] = None,
    recurrent_scale: Annotated[
        float | None, _fresh("Multiply the recurrent weights; then train so, with clipping and without.")
    ] = None,
    grad_clip: Annotated[float | None, _fresh("Largest gradient norm of that training; without, 1.")] = None,
    steps: Annotated[int | None, _fresh("Steps of that training; without, 300.")] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="A built-in corpus, file or folder to measure on; without, what was held out of the training.",
            show_default=False,
        ),
    ] = None,
    lags: Annotated[int, typer.Option(min=1, max=10_000, help="Characters to look back.")] = 100,
    positions: Annotated[int, typer.Option(min=1, help="Predictions to average over.")] = 256,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **settings: Any,
) -> None:
    """Measure how far back a network's gradient reaches: whether it vanishes, lives on or explodes.

    The norm of d loss(t) / d state(t-k), for each lag k, is averaged over predictions t on real text.
    The state is (h, c) of an LSTM, whose memory runs through c, and h of the other cells; "by h" leaves c out.
    The memory is the lag at which the norm falls under 1 % of that at lag 0.
    A checkpoint is measured twice: with the weights that its seed gives, and with those it was trained to.
    See Hochreiter 1991; Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013.
    """
    cells = [name.strip() for each in cell or () for name in each.lower().split(",") if name.strip()]
    _check(cells, settings, recurrent_scale, grad_clip, steps)
    from tqdm import tqdm

    from chargen.cli.output.gradflow import Report
    from chargen.experiments.gradflow import measure

    names: list[str | None] = [*(checkpoint or ())]
    if not (names or cells):
        names = [None]
    work = 2 * len(names) + len(cells) * (1 if recurrent_scale is None else 3)
    with tqdm(total=work, desc="measuring", disable=quiet or not sys.stderr.isatty(), leave=False) as bar:
        subjects, clippings = _of_checkpoints(names, text)
        fresh, trials = _of_cells(cells, text, settings, recurrent_scale, grad_clip or 1.0, steps or 300, bar)
        flows = []
        for subject in [*subjects, *fresh]:
            flows.append((subject, measure(subject.network, subject.ids, lags=lags, positions=positions)))
            bar.update()
    if not quiet:
        told = [note for each in subjects for note in each.notes]
        told += [f"{flow.positions} predictions on {len(each.ids):,} characters of text" for each, flow in flows]
        for note in dict.fromkeys(told):
            options.note(note)
    report = Report(flows, clippings, trials)
    if as_json:
        print_json(report.plain())
    else:
        report.show()


def _check(
    cells: Sequence[str],
    settings: Mapping[str, Any],
    recurrent_scale: float | None,
    grad_clip: float | None,
    steps: int | None,
) -> None:
    """Refuse options that would have no effect, or no sensible one."""
    from chargen.errors import ConfigError

    if not cells and (settings or recurrent_scale is not None):
        raise ConfigError("--layers, --hidden-size, --seed and --recurrent-scale are for fresh networks; name a --cell")
    for name, value in (("grad-clip", grad_clip), ("steps", steps)):
        if value is not None and recurrent_scale is None:
            raise ConfigError(f"--{name} is about the training that comes with --recurrent-scale; give that too")
        if value is not None and not value > 0:
            raise ConfigError(f"{name} must be above 0, not {value:g}")
    if recurrent_scale is not None and not 0 < recurrent_scale < 1e6:
        raise ConfigError(f"recurrent-scale must be above 0 and below 1000000, not {recurrent_scale:g}")


def _of_checkpoints(checkpoints: Sequence[str | None], text: str | None) -> "tuple[list[Subject], dict[str, Clipping]]":
    """The networks of checkpoints, before and after training, and how clipping acted in it."""
    from chargen.experiments.gradflow import clipping
    from chargen.experiments.networks import names, of_checkpoint
    from chargen.store.checkpoint import load
    from chargen.store.runs import find

    subjects, clippings = [], {}
    paths = list(dict.fromkeys(map(find, checkpoints)))
    for path, name in zip(paths, names(paths), strict=True):
        found = load(path)
        subjects += of_checkpoint(path, found, name, text)
        acted = clipping(found)
        if acted is not None:
            clippings[name] = acted
    return subjects, clippings


def _of_cells(
    cells: Sequence[str],
    text: str | None,
    settings: Mapping[str, Any],
    recurrent_scale: float | None,
    grad_clip: float,
    steps: int,
    bar: "tqdm[NoReturn]",
) -> "tuple[list[Subject], list[Trial]]":
    """Fresh networks and, with a scale, two short trainings of each, one without clipping."""
    if not cells:
        return [], []
    from chargen.cli.output.gradflow import Trial
    from chargen.experiments.gradflow import descend
    from chargen.experiments.networks import of_cell
    from chargen.text.corpus import Texts

    corpus = Texts(sources=() if text is None else (text,)).load()
    scale = 1.0 if recurrent_scale is None else recurrent_scale
    subjects, trials = [], []
    for cell in dict.fromkeys(cells):
        model, train = presets.settings(len(corpus), len(corpus.vocab), cell=cell, **settings)
        held_out = corpus.split(train.val_fraction, train.test_fraction).train.stop
        ids = corpus.ids[held_out:] if text is None else corpus.ids
        subject = of_cell(model, ids, seed=train.seed, recurrent_scale=scale)
        subjects.append(subject)
        for limit in (0.0, grad_clip) if recurrent_scale is not None else ():
            short = replace(train, steps=steps, grad_clip=limit)
            trials.append(Trial(subject.name, limit, descend(corpus, model, short, recurrent_scale=scale)))
            bar.update()
    return subjects, trials
