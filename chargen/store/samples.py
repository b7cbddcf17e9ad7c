"""The texts that a training writes along its way, ``samples.jsonl`` in its run's folder."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from chargen.atomic import replacing
from chargen.errors import RunError
from chargen.schema import parse, record


@dataclass(frozen=True)
class Sample:
    """A text from the weights as they were after an evaluation."""

    step: int
    text: str


def read(path: Path) -> list[Sample]:
    """The samples in a file, none where there is no file; lines that hold none are passed over.

    Raises:
        RunError: the file cannot be read.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise RunError(f"cannot read {path}: it is no file")
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    samples = []
    for line in lines:
        try:
            samples.append(record(Sample, parse(line)))
        except (ValueError, RecursionError):
            continue
    return samples


def add(path: Path, sample: Sample) -> None:
    """Put a sample behind those of earlier steps; those of later ones, which a resumed training makes anew, go.

    Raises:
        RunError: the file cannot be read or written.
    """
    samples = [before for before in read(path) if before.step < sample.step] + [sample]
    with replacing(path) as file:
        file.write("".join(json.dumps(dataclasses.asdict(one)) + "\n" for one in samples).encode())
