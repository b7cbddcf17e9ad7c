"""From logits to the next id: filters, then one draw.

B batch, V vocab. The filters are pure: float64 logits (B, V) in and out, -inf for what must not be drawn, in the order
in which ``SamplerConfig`` lists them. From ``centred`` on the largest logit of each row is 0: no filter drops the
likeliest character, so it stays 0.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import SamplerConfig
from chargen.inference.softmax import centred

UNIFORMS: Final = 256
"""Random numbers taken from a generator at once; the sequence does not depend on it."""
_COLDEST: Final = 1e-30  # as good as 0, and no quotient overflows

Logits = NDArray[np.float64]
Ids = NDArray[np.int64]


def penalise_repetition(logits: Logits, recent: Ids, penalty: float) -> Logits:
    """``logits`` with those of each row's ``recent`` ids (B, W) divided by ``penalty`` if positive, else multiplied.

    Places of ``recent`` that hold -1 are empty. Source: Keskar et al. 2019, section 4.1; the sign rule is the usual
    repair, without which a penalty would favour negative logits.
    """
    rows, places = np.nonzero(recent >= 0)
    at = rows, recent[rows, places]
    scaled = logits.copy()
    scaled[at] = np.where(logits[at] > 0, logits[at] / penalty, logits[at] * penalty)
    return scaled


def scale_temperature(logits: Logits, temperature: float) -> Logits:
    """Centred ``logits`` divided by ``temperature``, which must be above 0."""
    return logits / max(temperature, _COLDEST)


def keep_top_k(logits: Logits, k: int) -> Logits:
    """``logits`` with all but the ``k`` largest of each row at -inf; among equals the lower id stays."""
    if k >= logits.shape[1]:
        return logits
    least = np.partition(logits, -k, axis=1)[:, -k, None]
    above, equal = logits > least, logits == least
    room = k - above.sum(axis=1, keepdims=True)
    return np.where(above | (equal & (equal.cumsum(axis=1) <= room)), logits, -np.inf)


def keep_top_p(logits: Logits, p: float) -> Logits:
    """Centred ``logits`` with all but each row's likeliest, up to probability ``p`` in sum, at -inf.

    The character that takes the sum to ``p`` stays; so does the likeliest one always. Among equals the lower id goes
    first. Source: Holtzman et al. 2020, section 3.1.
    """
    order = np.argsort(-logits, axis=1, kind="stable")
    ranked = np.exp(np.take_along_axis(logits, order, axis=1))
    before = ranked.cumsum(axis=1) - ranked
    # The sum of what comes before is rounded; without the margin, 0.5 + 0.3 might fall short of a p of 0.8.
    dropped = before >= (p - 1e-12) * ranked.sum(axis=1, keepdims=True)
    dropped[:, 0] = False
    rows, places = np.nonzero(dropped)
    filtered = logits.copy()
    filtered[rows, order[rows, places]] = -np.inf
    return filtered


def keep_min_p(logits: Logits, share: float) -> Logits:
    """Centred ``logits`` with those less likely than ``share`` of the likeliest at -inf (Nguyen et al. 2024)."""
    return np.where(np.exp(logits) >= share, logits, -np.inf)


def draw(logits: Logits, uniforms: NDArray[np.float64]) -> Ids:
    """The id (B,) where each row's cumulative distribution passes ``uniforms`` (B,), in [0, 1); centred ``logits``."""
    cumulative = np.exp(logits).cumsum(axis=1)
    # Even the largest number below 1 times the total rounds to less than the total, so there is always such a place.
    ids: Ids = (cumulative > uniforms[:, None] * cumulative[:, -1:]).argmax(axis=1)
    return ids


class Sampler:
    """Draws the next ids of several texts, each with its own random numbers and its own recent characters.

    Args:
        config: The filters.
        seeds: One for each text: what it draws depends on its seed and its logits, never on the other texts.
        recent: Of each text, the ids that stand before the first one drawn, for the repetition penalty.
        forbidden: An id that is never drawn.
        drawn: Random numbers that an earlier sampler with these seeds has used; this one goes on behind them.
    """

    def __init__(
        self,
        config: SamplerConfig,
        seeds: Sequence[int],
        *,
        recent: Sequence[Sequence[int]] = (),
        forbidden: int | None = None,
        drawn: int = 0,
    ) -> None:
        self.config = config
        self.drawn = drawn
        self._forbidden = forbidden
        # PCG64 steps once for each number of ``random``, so how many were drawn says exactly where it stands.
        self._generators = [np.random.Generator(np.random.PCG64(seed).advance(drawn)) for seed in seeds]
        self._uniforms = np.empty((len(seeds), UNIFORMS))
        self._used = UNIFORMS
        self._recent = np.full((len(seeds), config.penalty_window), -1, np.int64)  # a ring
        self._remembered = 0
        if config.repetition_penalty != 1:
            tails = [ids[-config.penalty_window :] for ids in recent]
            for back in range(max(map(len, tails), default=0), 0, -1):
                self._remember(np.array([tail[-back] if back <= len(tail) else -1 for tail in tails], np.int64))

    def __call__(self, logits: NDArray[np.floating[Any]]) -> Ids:
        """The next id of each text, shape (B,), from ``logits`` (B, V).

        Raises:
            CheckpointError: logits are not finite, so the weights that made them are damaged.
        """
        config = self.config
        if self._forbidden is not None:
            logits = logits.copy()
            logits[:, self._forbidden] = -np.inf
        if config.repetition_penalty != 1:
            logits = penalise_repetition(logits.astype(np.float64), self._recent, config.repetition_penalty)
        scores = centred(logits)
        ids = scores.argmax(axis=1) if config.temperature == 0 else draw(self._filtered(scores), self._next_uniforms())
        if config.repetition_penalty != 1:
            self._remember(ids)
        return ids

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these texts alone, given by their rows so far."""
        self._generators = [self._generators[row] for row in rows]
        self._uniforms = self._uniforms[rows]
        self._recent = self._recent[rows]

    def recent(self, row: int) -> Ids:
        """The last ids of one text, oldest first, as far back as the repetition penalty looks; none without one."""
        ring: Ids = np.roll(self._recent[row], -self._remembered)
        return ring[ring >= 0] if self.config.repetition_penalty != 1 else ring[:0]

    def _filtered(self, scores: Logits) -> Logits:
        config = self.config
        if config.temperature != 1:
            scores = scale_temperature(scores, config.temperature)
        if config.top_k:
            scores = keep_top_k(scores, config.top_k)
        if config.top_p < 1:
            scores = keep_top_p(scores, config.top_p)
        if config.min_p:
            scores = keep_min_p(scores, config.min_p)
        return scores

    def _next_uniforms(self) -> NDArray[np.float64]:
        if self._used == UNIFORMS:
            for row, generator in zip(self._uniforms, self._generators, strict=True):
                generator.random(out=row)
            self._used = 0
        self._used += 1
        self.drawn += 1
        return self._uniforms[:, self._used - 1]

    def _remember(self, ids: Ids) -> None:
        self._recent[:, self._remembered % self._recent.shape[1]] = ids
        self._remembered += 1
