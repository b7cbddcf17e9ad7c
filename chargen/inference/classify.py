"""Classification: the posterior over models of a text's likelihood under each.

How a character is charged that a model does not know decides such comparisons, so it is the same for all. The models
share an alphabet of A symbols: each character that at least one of them lists, and one symbol for all the rest of
Unicode, within which every character is equally likely. A model gives a symbol the probability

    (1 - e) p + e / A

with p what its network says and e, the escape probability, one constant for all models (interpolation with a uniform
distribution, as in Jelinek and Mercer 1980). For a symbol that the model does not list p is 0 or, if it reserves an
unknown id, an even share of that id's probability. Hence

- each model's probabilities sum to 1 over all of Unicode, whatever its vocabulary;
- a symbol that no model lists costs all models the same, and decides nothing (those that reserve an unknown id apart);
- to know a character never costs more than not to know it, however rare it was in training;
- no single character costs more than log2 A - log2 e bits, about 20, so none decides a text on its own.

Where a character costs a few bits, that is what ``chargen.inference.score`` says to within 0.001 bits. For a
character that it does not list, a network reads its reserved unknown id or, having none, skips it.

Where all models are of lists, each text is an item: what ends it is charged too, to each model as its own end mark.

M models, T characters.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen.errors import ConfigError, MismatchError, TextError
from chargen.inference.generate import start_id
from chargen.inference.numpy_network import Network
from chargen.inference.ragged import side_by_side
from chargen.inference.score import ESCAPE
from chargen.inference.softmax import bits_of
from chargen.text.vocab import CODE_POINTS, Vocab

Bits = NDArray[np.float64]

FAR: Final = 2.0
"""A model fits a text unless that takes it so many times the bits per character of its own validation text. Of the
pretrained model's 1.52, Alice's test split takes 1.9 times at most in pieces of 40 characters, Moby-Dick 2.4 and on
average 1.6; Python takes 2.8 times on average, a list of names four."""
SHORT: Final = 20
"""Characters of which too few are left to tell that."""


@dataclass(frozen=True)
class Verdict:
    """The posterior over the models for one text, and what decided it.

    Attributes:
        bits: What each character costs each model, shape (M, T), float64; of an item also its end, the last of them.
        listed: Whether each model lists it, shape (M, T), bool.
        posterior: Probability of each model, shape (M,), float64.
        ranking: The models as places in what ``verdicts`` was given, the likeliest first.
        margin: Bits by which the likeliest is ahead of the second: log2 of their posteriors' ratio.
        validation: Bits per character of each model's own validation text, None where that is not known.
    """

    bits: Bits
    listed: NDArray[np.bool_]
    posterior: Bits
    ranking: tuple[int, ...]
    margin: float
    validation: tuple[float | None, ...]

    def __repr__(self) -> str:
        best = self.ranking[0]
        return f"<Verdict: model {best} with probability {self.posterior[best]:.4g}, by {self.margin:.1f} bits>"

    @property
    def unknown(self) -> tuple[int, ...]:
        """How many characters each model does not list."""
        return tuple((~self.listed).sum(axis=1).tolist())

    @property
    def fits(self) -> bool:
        """Whether the text is within reach of any model: ``FAR`` says what is not; a short one always is."""
        if self.bits.shape[1] < SHORT:
            return True
        measured = zip(self.bits.mean(axis=1).tolist(), self.validation, strict=True)
        return any(usual is None or bpc <= FAR * usual for bpc, usual in measured)

    @property
    def lead(self) -> Bits:
        """Bits that each character adds to the likeliest model's lead over the second, shape (T,)."""
        lead: Bits = self.bits[self.ranking[1]] - self.bits[self.ranking[0]]
        return lead

    @property
    def from_vocabulary(self) -> float:
        """How much of the margin comes from characters that one of the two likeliest models does not list."""
        return float(self.lead[~self.listed[list(self.ranking[:2])].all(axis=0)].sum())

    def decisive(self, count: int) -> list[int]:
        """The places of the ``count`` characters on which the two likeliest models differ most, the largest first."""
        order: list[int] = np.argsort(-np.abs(self.lead), kind="stable")[:count].tolist()
        return order


def verdicts(
    texts: str | Sequence[str],
    models: Sequence[tuple[Network, Vocab]],
    *,
    prior: Sequence[float] | None = None,
    validation: Sequence[float | None] | None = None,
) -> list[Verdict]:
    """Which of the models each text is likeliest from; all texts run through a model in batches.

    Each text is read as if it began on a new line, as ``score`` takes it. ``prior`` is as in ``chargen.api.classify``,
    and ``validation`` has the bits per character of each model's own validation text, as far as known.

    Raises:
        ConfigError: there are fewer than two models, two of them have no character in common, or the prior is not a
            positive number for each.
        TextError: a text is empty, or no model lists any of its characters.
        CheckpointError: a model's logits are not finite.
    """
    texts = [texts] if isinstance(texts, str) else texts
    vocabs = [vocab for _, vocab in models]
    weights = _weights(prior, len(models))
    _check_overlap(vocabs)
    marks = [vocab.end or "" for vocab in vocabs] if all(vocab.end for vocab in vocabs) else [""] * len(vocabs)
    read = [[text + mark for text in texts] for mark in marks]  # by each model
    listed = [
        np.stack([vocab.lookup(text) >= 0 for vocab, text in zip(vocabs, same, strict=True)])
        for same in zip(*read, strict=True)
    ]
    for at, (text, known) in enumerate(zip(texts, listed, strict=True), 1):
        if not text:
            raise TextError(f"text {at} is empty; there is nothing to classify")
        if not known[:, : len(text)].any():
            raise TextError(f"text {at} has no character that any of the models knows")
    alphabet = Vocab("".join(set().union(*(vocab.characters for vocab in vocabs))))
    charged = [
        _charge(network, vocab, passages, alphabet) for (network, vocab), passages in zip(models, read, strict=True)
    ]
    usual = (None,) * len(models) if validation is None else tuple(validation)
    return [
        _verdict(np.stack(bits), known, weights, usual)
        for bits, known in zip(zip(*charged, strict=True), listed, strict=True)
    ]


def _weights(prior: Sequence[float] | None, models: int) -> Bits:
    """The prior's log2, shape (M,)."""
    if models < 2:
        raise ConfigError(f"classifying needs at least two models to choose from, not {models}")
    weights = np.ones(models) if prior is None else np.array(prior, np.float64)
    if weights.shape != (models,) or not (np.isfinite(weights) & (weights > 0)).all():
        raise ConfigError(f"prior must be {models} positive numbers, one for each model, not {prior}")
    log = np.log2(weights)
    prior_log: Bits = log - np.logaddexp2.reduce(log)  # the sum of the weights themselves may be beyond any float
    return prior_log


def _check_overlap(vocabs: Sequence[Vocab]) -> None:
    for (first, one), (second, other) in itertools.combinations(enumerate(vocabs, 1), 2):
        if set(one.characters).isdisjoint(other.characters):
            raise MismatchError(
                f"models {first} and {second} have no character in common; no text can be compared under both"
            )


def _verdict(bits: Bits, listed: NDArray[np.bool_], weights: Bits, validation: tuple[float | None, ...]) -> Verdict:
    evidence = weights - bits.sum(axis=1)
    ranking = np.argsort(-evidence, kind="stable")
    shares = np.exp2(evidence - evidence.max())
    margin = float(evidence[ranking[0]] - evidence[ranking[1]])
    return Verdict(bits, listed, shares / shares.sum(), tuple(ranking.tolist()), margin, validation)


def _charge(network: Network, vocab: Vocab, texts: Sequence[str], alphabet: Vocab) -> list[Bits]:
    """The bits of each text's characters under one model, as the module says."""
    symbols = len(alphabet) + 1
    among_unlisted = np.log2(symbols - len(vocab.characters))
    among_rest = np.log2(max(1, CODE_POINTS - len(alphabet)))
    read = [vocab.read(text) for text in texts]
    charged: list[Bits] = []
    for text, ids, bits in zip(texts, read, _predicted(network, start_id(vocab), read), strict=True):
        predicted = np.log2(1 - ESCAPE) - bits - among_unlisted * vocab.unlisted(ids)
        of_symbol = -np.logaddexp2(predicted, np.log2(ESCAPE / symbols))
        charged.append(of_symbol + among_rest * (alphabet.lookup(text) < 0))
    return charged


def _predicted(network: Network, start: int, texts: Sequence[NDArray[np.int64]]) -> list[Bits]:
    """The network's own bits for each id of each text, (T,); infinite for an id of -1, which it skips."""
    places = [np.flatnonzero(ids >= 0) for ids in texts]
    read = [ids[at] for ids, at in zip(texts, places, strict=True)]
    inputs = [np.concatenate([[start], ids])[: len(ids)] for ids in read]
    bits = [np.full(len(ids), np.inf) for ids in texts]
    for running, at, hidden in side_by_side(network, inputs):
        end = at + len(hidden)
        targets = np.stack([read[text][at:end] for text in running], axis=1)  # (t, b)
        logits = network.logits(hidden)  # (t, b, V)
        cost = bits_of(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)).reshape(targets.shape)
        for column, text in enumerate(running):
            bits[text][places[text][at:end]] = cost[:, column]
    return bits
