"""What ``chargen gradflow`` measured, as tables, plots and JSON."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

import typer

from chargen.cli import options
from chargen.cli.output import tables
from chargen.cli.output.page import Part
from chargen.cli.output.plot import draw
from chargen.curves import Curve, Plot
from chargen.experiments.gradflow import Clipping, Descent, Flow, Norms, effective_memory
from chargen.experiments.networks import Subject

FAINTEST: Final = 1e-6  # of lag 0; the plot leaves out what lies below
NEAR: Final = 10  # a lag for the table, beside the last one


class Trial(NamedTuple):
    """A short training of a fresh network; ``limit`` is where clipping acts, 0 for nowhere."""

    name: str
    limit: float
    descent: Descent


class Report(NamedTuple):
    """Everything measured."""

    flows: list[tuple[Subject, Flow]]
    clippings: dict[str, Clipping]
    trials: list[Trial]

    def show(self) -> None:
        """Print tables and plots."""
        for part in self.parts():
            if isinstance(part, Plot):
                options.stdout().print(draw(part), soft_wrap=True)
            else:
                tables.show(part, right=[name for name in part[0] if name not in ("network", "weights", "clipping")])
                typer.echo()

    def parts(self) -> Iterator[Part]:
        """Tables, as their rows, and plots."""
        if self.flows:
            most = max(len(flow.state) for _, flow in self.flows) - 1
            yield [_flow_columns(subject, flow, most) for subject, flow in self.flows]
        for weights in dict.fromkeys(subject.weights for subject, _ in self.flows):
            yield _plot(
                [(_label(subject), _relative(flow)) for subject, flow in self.flows if subject.weights == weights],
                title=f"{weights} weights",
                x_label="lag k, characters",
                y_label="norm of d loss(t) / d state(t-k), relative to lag 0",
            )
        if self.clippings:
            yield [_clipping_columns(name, acted) for name, acted in self.clippings.items()]
        if self.trials:
            limit = max(trial.limit for trial in self.trials)
            yield [_trial_columns(trial, limit) for trial in self.trials]
            yield _plot(
                [(f"{trial.name}, clipping {_limit(trial.limit)}", trial.descent.norms) for trial in self.trials],
                title="training",
                x_label="step",
                y_label="gradient norm, before clipping",
            )

    def plain(self) -> dict[str, Any]:
        """The same as plain values, with every norm and loss."""

        def curves(flow: Flow, row: int) -> dict[str, Any]:
            state, hidden = flow.state[row].tolist(), flow.hidden[row].tolist()
            return {
                "state": state,
                "hidden": hidden,
                "memory": effective_memory(state),
                "hidden_memory": effective_memory(hidden),
            }

        return {
            "networks": [
                {
                    "name": subject.name,
                    "cell": subject.cell,
                    "weights": subject.weights,
                    "positions": flow.positions,
                    "layers": [curves(flow, row) for row in range(len(flow.state) - 1)],
                    "network": curves(flow, -1),
                }
                for subject, flow in self.flows
            ],
            "clipping": [{"name": name, **asdict(acted)} for name, acted in self.clippings.items()],
            "trainings": [
                {"name": name, "grad_clip": limit, "final_bpc": descent.final_bpc, **asdict(descent)}
                for name, limit, descent in self.trials
            ],
        }


def _plot(lines: Sequence[tuple[str, Sequence[float]]], *, title: str, x_label: str, y_label: str) -> Plot:
    curves = [Curve(label, range(len(values)), values) for label, values in lines]
    return Plot(title=title, x_label=x_label, y_label=y_label, curves=curves, log_y=True)


def _label(subject: Subject) -> str:
    return subject.name if subject.cell in subject.name else f"{subject.name} ({subject.cell})"


def _relative(flow: Flow) -> list[float]:
    """The whole network's curve; what is too faint for the plot becomes 0, which it leaves out."""
    relative = flow.state[-1] / flow.state[-1, 0]
    return [float(value) if value >= FAINTEST else 0.0 for value in relative]


def _flow_columns(subject: Subject, flow: Flow, most: int) -> dict[str, str]:
    """A row of the table; ``most`` layers have a column."""
    lags = flow.state.shape[1] - 1

    def memory(curve: Norms) -> str:
        lag = effective_memory(curve)
        return f"beyond {lags}" if lag is None else f"{lag:.1f}"

    relative = flow.state[-1] / flow.state[-1, 0]
    memories = [memory(curve) for curve in flow.state[:-1]] + [""] * most
    layers = {f"layer {at + 1}": memories[at] for at in range(most)} if most > 1 else {}
    return {
        "network": _label(subject),
        "weights": subject.weights,
        "memory": memory(flow.state[-1]),
        "by h": memory(flow.hidden[-1]),
        **layers,
        **{f"at lag {lag}": f"{relative[lag]:.1e}" for lag in sorted({min(NEAR, lags), lags})},
    }


def _clipping_columns(name: str, acted: Clipping) -> dict[str, str]:
    return {
        "network": name,
        "clipping": _limit(acted.limit),
        "steps": f"{acted.steps:,}",
        "clipped": f"{acted.share:.1%}",
        "mean norm": f"{acted.mean:.3g}",
        "highest mean": f"{acted.highest:.3g}",
    }


def _trial_columns(trial: Trial, limit: float) -> dict[str, str]:
    descent = trial.descent
    norms = descent.norms or (math.nan,)
    return {
        "network": trial.name,
        "clipping": _limit(trial.limit),
        "steps": f"{len(descent.norms):,}" + (", then not finite" if descent.broke_down else ""),
        f"norm > {limit:g}": f"{descent.share_above(limit):.0%}",
        "median norm": f"{statistics.median(norms):.3g}",
        "largest": f"{max(norms):.3g}",
        "last bpc": "-" if descent.final_bpc is None else f"{descent.final_bpc:.3f}",
    }


def _limit(limit: float) -> str:
    return f"at {limit:g}" if limit else "off"
