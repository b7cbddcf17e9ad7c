"""``chargen gradflow``: how far back gradients reach."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from chargen import presets
from chargen.cli import completion, options
from chargen.cli.options import option
from chargen.cli.output.terminal import print_json
from chargen.config import CELLS, FRESH, GradflowConfig, ModelConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.text.decode import Decoding
from chargen.wording import counted

if TYPE_CHECKING:
    from tqdm import tqdm

    from chargen.cli.output.gradflow import Trial
    from chargen.experiments.gradflow import Clipping
    from chargen.experiments.networks import Subject
    from chargen.text.corpus import Texts


@options.settings(Decoding, GradflowConfig)
@options.settings(
    ModelConfig,
    TrainConfig,
    only=["num_layers", "hidden_size", "seed"],
    panel=FRESH,
    defaults={"hidden_size": "by the text's size"},
)
def gradflow(
    checkpoint: Annotated[
        list[str] | None,
        typer.Argument(
            help="Checkpoints, runs' folders or names; without any, and without --cell, the newest run.",
            autocompletion=completion.models,
        ),
    ] = None,
    *,
    cell: Annotated[
        list[str] | None, option(FRESH, f"Measure an untrained network of this cell: {', '.join(CELLS)}; repeatable.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="A built-in corpus, file or folder to measure on; without, what was held out of the training.",
            autocompletion=completion.corpora,
        ),
    ] = None,
    html: options.Html = None,
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
    cells = [name.strip() for names in cell or () for name in names.lower().split(",") if name.strip()]
    for name in cells:
        ModelConfig.settings()["cell"].check("cell", name)
    measuring, decoding = options.taken(settings, GradflowConfig), options.taken(settings, Decoding)
    _refuse_without_effect(cells, settings, measuring)
    if text is None:
        options.refuse_without("--text", decoding)
    options.refuse_unwritable("--html", html)
    config, is_trained = GradflowConfig(**measuring), "recurrent_scale" in measuring
    names: list[str | None] = [*(checkpoint or ())]
    if not (names or cells):
        names = [None]
    paths = list(dict.fromkeys(options.checkpoint_file(name, quiet=quiet) for name in names))
    networks = 2 * len(paths) + len(cells)
    work = networks + 2 * len(cells) * is_trained
    options.note(f"measuring {counted(networks, 'network')}", quiet=quiet)
    with options.bar("measuring", work, quiet=quiet, unit="part", slow=True) as bar:
        from chargen.experiments.gradflow import measure
        from chargen.text.corpus import Texts

        texts = None if text is None else Texts(sources=(text,), **decoding)
        subjects, clippings = _of_checkpoints(paths, texts)
        fresh, trials = _of_cells(cells, texts, settings, config, bar, is_trained=is_trained)
        flows = []
        for subject in [*subjects, *fresh]:
            flows.append((subject, measure(subject.network, subject.ids, lags=config.lags, positions=config.positions)))
            bar.update()
    notes = [note for subject in subjects for note in subject.notes]
    notes += [
        f"{counted(flow.positions, 'prediction')} on {counted(len(subject.ids), 'character')} of text"
        for subject, flow in flows
    ]
    options.notes(dict.fromkeys(notes), quiet=quiet)
    from chargen.cli.output.gradflow import Report
    from chargen.cli.output.page import write

    report = Report(flows, clippings, trials)
    if html is not None:
        write(html, "How far back the gradient reaches", report.parts())
    if as_json:
        print_json(report.plain())
    else:
        report.show()


def _refuse_without_effect(cells: Sequence[str], network: Collection[str], measuring: Collection[str]) -> None:
    """Refuse options that would change nothing."""
    if not cells and (network or "recurrent_scale" in measuring):
        raise ConfigError("--layers, --hidden-size, --seed and --recurrent-scale are for fresh networks; name a --cell")
    for name in ("grad_clip", "steps"):
        if name in measuring and "recurrent_scale" not in measuring:
            typed = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{typed} is about the training that comes with --recurrent-scale; give that too")


def _of_checkpoints(paths: Sequence[Path], texts: "Texts | None") -> "tuple[list[Subject], dict[str, Clipping]]":
    """The networks of checkpoints, before and after training, and how clipping acted in it."""
    from chargen.experiments.gradflow import clipping
    from chargen.experiments.networks import of_checkpoint
    from chargen.store.checkpoint import load
    from chargen.store.lookup import names_of

    subjects, clippings = [], {}
    for path, name in zip(paths, names_of(paths), strict=True):
        loaded = load(path)
        subjects += of_checkpoint(path, loaded, name, texts)
        acted = clipping(loaded)
        if acted is not None:
            clippings[name] = acted
    return subjects, clippings


def _of_cells(
    cells: Sequence[str],
    texts: "Texts | None",
    settings: Mapping[str, Any],
    config: GradflowConfig,
    bar: "tqdm[NoReturn]",
    *,
    is_trained: bool,
) -> "tuple[list[Subject], list[Trial]]":
    """Fresh networks and, where ``is_trained``, two short trainings of each, one without clipping."""
    if not cells:
        return [], []
    from chargen.cli.output.gradflow import Trial
    from chargen.experiments.gradflow import descend
    from chargen.experiments.networks import of_cell
    from chargen.text.corpus import Texts

    corpus = (texts or Texts()).load()
    scale = config.recurrent_scale
    subjects, trials = [], []
    for cell in dict.fromkeys(cells):
        model, train = presets.choose(len(corpus), len(corpus.vocab), cell=cell, **settings)
        held_out = corpus.split(train).train.stop
        ids = corpus.ids[held_out if texts is None else 0 :]
        subject = of_cell(model, ids, seed=train.seed, recurrent_scale=scale)
        subjects.append(subject)
        for limit in (0.0, config.grad_clip) if is_trained else ():
            short = replace(train, steps=config.steps, grad_clip=limit)
            trials.append(Trial(subject.name, limit, descend(corpus, model, short, recurrent_scale=scale)))
            bar.update()
    return subjects, trials
