"""The best of several texts: the one that has most to do with what it answers.

Texts are ranked by their mutual information with the dialogue (Li et al. 2016, arXiv:1510.03055, "MMI-antiLM"): how
likely the dialogue makes them, less how likely they are in any dialogue.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from grucli.generation.options import Sample, State, TextChunk

MMI_WEIGHT = 0.5
"""Weight of the unconditional surprisal in the score of a text."""


def mmi_score(surprisal: float, uncond_surprisal: float) -> float:
    """Return the score of a text, higher is better, from its bits per character after the dialogue and without it."""
    return MMI_WEIGHT * uncond_surprisal - surprisal


class BestOf:
    """The best of several texts with the interface of `Stream`: chunks are empty until the last one, the best text."""

    def __init__(
        self, samples: Iterator[Sample], score: Callable[[str], float], empty: Sample, read: Callable[[str], State]
    ) -> None:
        """Choose from `samples` by their `score`.

        Args:
            samples: the texts, which are generated as they are taken.
            score: of a text that is not empty; one that is empty is the last choice.
            empty: the sample until the first of them is complete; the best one gets its seed.
            read: returns the state after a text.
        """
        self._samples, self._score, self._best, self._read = samples, score, empty, read
        self._best_score = -math.inf

    def __iter__(self) -> Iterator[TextChunk]:
        seed = self._best.seed
        for sample in self._samples:
            score = self._score(sample.text) if sample.text else -math.inf
            if score >= self._best_score:
                self._best, self._best_score = replace(sample, seed=seed), score
            yield TextChunk("", 0, 0.0)
        best = self._best
        yield TextChunk(best.text, best.tokens, best.bits_per_char * len(best.text) * math.log(2))

    @property
    def sample(self) -> Sample:
        """The best text so far."""
        return self._best

    @property
    def state(self) -> State:
        """The state after the best text so far."""
        return self._read(self._best.text)
