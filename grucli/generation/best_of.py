"""The best of several texts: the one that has most to do with what it answers.

Texts are ranked by their mutual information with the dialogue (Li et al. 2016, arXiv:1510.03055, "MMI-antiLM"): how
likely the dialogue makes them, less how likely they are in any dialogue.
"""

import math
from collections.abc import Callable, Iterator, Sequence
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
        self,
        samples: Iterator[Sample],
        uncond_surprisals: Callable[[Sequence[Sample]], Sequence[float]],
        empty: Sample,
        read: Callable[[str], State],
    ) -> None:
        """Choose from `samples`; one without text is the last choice.

        Args:
            samples: the texts, which are generated as they are taken.
            uncond_surprisals: returns the bits per character of texts without the dialogue, as `Sample.bits_per_char`.
            empty: the sample until one is chosen, which gets its seed.
            read: returns the state after a text.
        """
        self._samples, self._uncond_surprisals, self._sample, self._read = samples, uncond_surprisals, empty, read

    def __iter__(self) -> Iterator[TextChunk]:
        candidates = []
        for sample in self._samples:
            candidates.append(sample)
            yield TextChunk("", 0, 0.0)
        with_text = [sample for sample in candidates if sample.text]
        if with_text:
            pairs = zip(with_text, self._uncond_surprisals(with_text), strict=True)
            best, _ = max(pairs, key=lambda pair: mmi_score(pair[0].bits_per_char, pair[1]))
        else:
            best = candidates[0]
        self._sample = replace(best, seed=self._sample.seed)
        yield TextChunk(best.text, best.tokens, best.bits_per_char * len(best.text) * math.log(2))

    @property
    def sample(self) -> Sample:
        """The best text, or an empty one before it is found."""
        return self._sample

    @property
    def state(self) -> State:
        """The state after the best text."""
        return self._read(self._sample.text)
