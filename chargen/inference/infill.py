"""Missing characters, filled in from both sides by a bidirectional network.

Berglund et al. 2015, *Bidirectional Recurrent Neural Networks as Generative Models*: the joint read-out gives a
character's distribution from all those before and after it. With one character missing that is the answer. With
several, each is drawn in turn given the others (Gibbs sampling, Geman and Geman 1984), in many chains at once that
start from what the forward half alone would write.

B chains, N length of the text, V vocab, R width of one stack's features.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import InfillConfig, ModelConfig
from chargen.errors import CheckpointError, ConfigError, MismatchError, TextError
from chargen.inference.generate import start_id
from chargen.inference.numpy_cells import Floats
from chargen.inference.numpy_network import Network, Reader
from chargen.inference.softmax import softmax
from chargen.text import prompt
from chargen.text.vocab import Vocab

BLANK: Final = "_"
"""What marks a missing character."""
LONGEST: Final = 200
"""Missing characters in a text, at most: further apart they hardly depend on what is known."""

Length = int | range | None
"""Size of a gap, several sizes to compare, or None for one missing character a blank."""
Ids = NDArray[np.int64]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """One way to fill the gaps.

    Attributes:
        fill: The missing characters, in the order of the text.
        text: The whole text.
        probability: With one missing character, exactly the model's; with more, the share of the samples that have
            this fill, an estimate of it.
    """

    fill: str
    text: str
    probability: float


class Infiller:
    """Fills gaps with a bidirectional network.

    Args:
        config: Architecture.
        weights: As in ``config.weight_shapes()``.
        vocab: The vocabulary; its reserved unknown id is never filled in.

    Raises:
        CheckpointError: the network is not bidirectional.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, NDArray[Any]], vocab: Vocab) -> None:
        if not config.bidirectional:
            raise CheckpointError(
                "this model reads from left to right only; train one that fills gaps with: "
                "chargen train --bidirectional"
            )
        self.vocab = vocab
        self.left = Network(config, weights, end=vocab.end_id)
        self.right = Network(config, weights, prefix="backward.", end=vocab.end_id)
        self._end = vocab.end or ""  # stands behind an item
        self._weight = np.ascontiguousarray(weights["joint.weight"].T, np.float32)  # (2R, V)
        self._bias = weights["joint.bias"].astype(np.float32)

    def joint(self, left: Floats, right: Floats) -> Probabilities:
        """The distribution (B, V) of characters between features (B, R) of both stacks."""
        return self._probabilities(np.concatenate([left, right], axis=1) @ self._weight + self._bias)

    def fill(self, ids: Ids, missing: Sequence[int], config: InfillConfig) -> list[Candidate]:
        """The likeliest ways to fill the gaps, the best one first.

        Args:
            ids: The text, (N,); what stands at missing places does not matter.
            missing: The missing places, ascending.
            config: One missing character needs nothing of it but ``candidates``.

        Raises:
            TextError: nothing is missing, or more than ``LONGEST`` characters are.
        """
        if len(missing) == 1:
            (marginal,) = self.marginals(ids, missing, config)
            best = np.argsort(-marginal, kind="stable")[: config.candidates]
            return [self._candidate(ids, missing, (int(at),), float(marginal[at])) for at in best if marginal[at] > 0]
        counts: Counter[tuple[int, ...]] = Counter()
        for fills, _ in self._samples(ids, missing, config):
            counts.update(map(tuple, fills.tolist()))
        total, likeliest = counts.total(), counts.most_common(config.candidates)
        return [self._candidate(ids, missing, fill, count / total) for fill, count in likeliest]

    def blanks(
        self, text: str, config: InfillConfig, *, blank: str | None = None, length: Length = None
    ) -> list[Candidate]:
        """``fill`` for a text in which characters are marked as missing; what is not known is read as in a prompt.

        Arguments and errors are those of ``chargen.model.Model.infill``.
        """
        if blank is not None and len(blank) != 1:
            raise ConfigError(f"blank must be a single character, not {blank!r}")
        if blank is not None and blank in self.vocab:
            raise MismatchError(f"blank {blank!r} is a character of the model's; choose one that is not, such as '▁'")
        parts = [prompt.fit(part, self.vocab).text for part in text.split(blank or BLANK)]
        parts[-1] = parts[-1].removesuffix(self._end) + self._end
        if length is None:
            return self.between(parts, [1] * (len(parts) - 1), config)
        lengths = range(length, length + 1) if isinstance(length, int) else length
        if not lengths or not 1 <= min(lengths) <= max(lengths) <= LONGEST:
            raise ConfigError(f"length must be from 1 to {LONGEST}, not {length}")
        if len(parts) != 2:
            raise ConfigError(f"length takes a text with a single blank, not {len(parts) - 1}")
        before, after = parts
        return self.of_lengths(before, after, lengths, config)[: config.candidates]

    def between(self, parts: Sequence[str], gaps: Sequence[int], config: InfillConfig) -> list[Candidate]:
        """``fill`` for the texts ``parts`` with gaps of the sizes ``gaps`` between them."""
        pieces: list[Ids] = []
        missing: list[int] = []
        for part, gap in zip(parts, [*gaps, 0], strict=True):
            at = sum(map(len, pieces)) + len(part)
            missing += range(at, at + gap)
            pieces += [self.vocab.ids_of(part), np.zeros(gap, np.int64)]
        return self.fill(np.concatenate(pieces), missing, config)

    def of_lengths(self, before: str, after: str, lengths: Iterable[int], config: InfillConfig) -> list[Candidate]:
        """The ``candidates`` of each length for a gap of unknown size, the best one first.

        Those of all lengths are compared by the forward half's probability of the filling and of what follows it;
        their probabilities are shares among the candidates found.
        """
        candidates = [candidate for length in lengths for candidate in self.between([before, after], [length], config)]
        texts = [self.vocab.ids_of(candidate.text + self._end) for candidate in candidates]
        bits = np.array([self._log2_probability(ids, len(before)) for ids in texts])
        shares = np.exp2(bits - bits.max())
        shares /= shares.sum()
        best = np.argsort(-shares, kind="stable")
        return [dataclasses.replace(candidates[at], probability=float(shares[at])) for at in best]

    def marginals(self, ids: Ids, missing: Sequence[int], config: InfillConfig) -> Probabilities:
        """The distribution of each missing character given the known ones alone, (number missing, V).

        Exact with one missing; with more, the mean over the samples of its distribution given all others, which
        varies less than counting would (Gelfand and Smith 1990, section 2.3).
        """
        if len(missing) == 1:
            config = dataclasses.replace(config, chains=1, sweeps=1)
        marginals: Probabilities = np.mean([mean for _, mean in self._samples(ids, missing, config)], axis=0)
        return marginals

    def left_marginals(self, ids: Ids, missing: Sequence[int], config: InfillConfig) -> Probabilities:
        """The distribution of each missing character from what stands before the gaps alone, (number missing, V).

        It is the forward half's, averaged over what it writes into the gaps.
        """
        first, stop = self._region(ids, missing)
        random = np.random.default_rng(config.seed)
        _, _, marginals = self._forward_fill(ids, missing, first, stop, config.chains, random)
        return marginals

    def _log2_probability(self, ids: Ids, first: int) -> float:
        """The forward half's log2 probability of the text from place ``first`` on, given what stands before."""
        before = np.concatenate([[start_id(self.vocab)], ids[:-1]])
        probabilities = self._probabilities(self.left.reader().run(before))[first:]
        return float(np.log2(probabilities[np.arange(len(ids) - first), ids[first:]]).sum())

    def _region(self, ids: Ids, missing: Sequence[int]) -> tuple[int, int]:
        """The first missing place and one past the last."""
        if not missing:
            raise TextError("nothing is missing in this text; mark each missing character with the blank")
        if len(missing) > LONGEST:
            raise TextError(f"{len(missing)} characters are missing; at most {LONGEST} can be filled in")
        if not 0 <= missing[0] <= missing[-1] < len(ids):
            raise TextError(f"places {missing[0]} to {missing[-1]} are not all within a text of {len(ids)} characters")
        return missing[0], missing[-1] + 1

    def _forward_fill(
        self, ids: Ids, missing: Sequence[int], first: int, stop: int, chains: int, random: np.random.Generator
    ) -> tuple[Ids, tuple[Reader, Floats], Probabilities]:
        """Chains filled from left to right, (B, N), as the forward half would.

        With them the forward half's reader and features before ``first``, and each missing place's mean distribution.
        """
        before = np.concatenate([[start_id(self.vocab)], ids[:first]])
        reader = self.left.reader()
        start = reader.features(before)[-1:]
        texts = np.tile(ids, (chains, 1))
        left, features = reader.select([0] * chains), np.repeat(start, chains, axis=0)
        marginals = []
        for at in range(first, stop):
            if at in missing:
                probabilities = self._probabilities(self.left.readout(features))
                marginals.append(probabilities.mean(axis=0))
                texts[:, at] = _draw(probabilities, random)
            features = left.features(texts[None, :, at])[0]
        return texts, (reader, start), np.array(marginals)

    def _samples(self, ids: Ids, missing: Sequence[int], config: InfillConfig) -> Iterator[tuple[Ids, Probabilities]]:
        """After each sweep that counts: the chains' missing characters, (B, number missing), and mean conditionals."""
        first, stop = self._region(ids, missing)
        random, chains = np.random.default_rng(config.seed), config.chains
        texts, (before, start), _ = self._forward_fill(ids, missing, first, stop, chains, random)
        after = self.right.reader()
        edge = np.zeros((1, start.shape[1]), np.float32)  # what the backward stack has read before it begins
        if stop < len(ids):
            edge = after.features(ids[: stop - 1 : -1])[-1:]
        places = set(missing)
        for sweep in range(config.sweeps):
            rights = [np.repeat(edge, chains, axis=0)]
            if stop - 1 > first:
                rights += list(after.select([0] * chains).features(texts[:, stop - 1 : first : -1].T))
            left, features = before.select([0] * chains), np.repeat(start, chains, axis=0)
            conditionals = []
            for at in range(first, stop):
                if at in places:
                    probabilities = self.joint(features, rights[stop - 1 - at])
                    conditionals.append(probabilities.mean(axis=0))
                    texts[:, at] = _draw(probabilities, random)
                if at + 1 < stop:
                    features = left.features(texts[None, :, at])[0]
            if sweep >= config.sweeps // 4:
                yield texts[:, list(missing)], np.array(conditionals)

    def _candidate(self, ids: Ids, missing: Sequence[int], fill: tuple[int, ...], probability: float) -> Candidate:
        filled = ids.copy()
        filled[list(missing)] = fill
        text = self.vocab.text_of(filled).removesuffix(self._end)
        return Candidate(self.vocab.text_of(np.array(fill)), text, probability)

    def _probabilities(self, logits: Floats) -> Probabilities:
        """Those of fresh ``logits`` (..., V), which are changed: the unknown id's is 0."""
        if self.vocab.unknown_id is not None:
            logits[..., self.vocab.unknown_id] = -np.inf
        return softmax(logits)


def _draw(probabilities: Probabilities, random: np.random.Generator) -> Ids:
    """One id from each row."""
    cumulative = probabilities.cumsum(axis=1)
    ids: Ids = (cumulative < random.random((len(probabilities), 1)) * cumulative[:, -1:]).sum(axis=1)
    return ids
