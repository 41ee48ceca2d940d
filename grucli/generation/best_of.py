"""The best of several texts: the one that has most to do with what it answers.

Texts are ranked by their mutual information with the turn they answer (Li et al. 2016, arXiv:1510.03055, "MMI-antiLM"):
how likely the dialogue makes them, less how likely it makes them without that turn.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from grucli.generation.options import Sample, State, TextChunk

MMI_WEIGHT = 0.5
"""Weight of the unconditional surprisal in the score of a text. Chosen by reading replies."""


def mmi_score(surprisal: float, uncond_surprisal: float) -> float:
    """Return the score of a text, higher is better, from its bits per character with and without what it answers."""
    return MMI_WEIGHT * uncond_surprisal - surprisal


def choose_best(samples: Sequence[Sample], scores: Callable[[Sequence[str]], Sequence[float]]) -> Sample:
    """Return the sample whose text has the highest of the `scores`; one without text is the last choice."""
    with_text = [sample for sample in samples if sample.text]
    if not with_text:
        return samples[0]
    ranked = zip(scores([sample.text for sample in with_text]), range(len(with_text)), strict=True)
    return with_text[max(ranked, key=lambda each: each[0])[1]]


class BestOf:
    """The best of several texts with the interface of `Stream`: chunks are empty until the last one, the best text."""

    def __init__(
        self,
        batches: Iterator[Sequence[Sample]],
        scores: Callable[[Sequence[str]], Sequence[float]],
        empty: Sample,
        read: Callable[[str], State],
    ) -> None:
        """Choose from the samples of `batches`.

        Args:
            batches: the samples that have finished since the last batch, which are generated as they are taken.
            scores: returns the score of each of some texts that are not empty.
            empty: the sample until the first of them has finished; the best one gets its seed.
            read: returns the state after a text.
        """
        self._batches, self._scores, self._sample, self._read = batches, scores, empty, read

    def __iter__(self) -> Iterator[TextChunk]:
        seed, found = self._sample.seed, list[Sample]()
        for batch in self._batches:
            found += batch
            if found:
                self._sample = replace(found[0], seed=seed, stopped="interrupted")
            yield TextChunk("", 0, 0.0)
        best = choose_best(found, self._scores)
        self._sample = replace(best, seed=seed)
        yield TextChunk(best.text, best.tokens, best.bits_per_char * len(best.text) * math.log(2))

    @property
    def sample(self) -> Sample:
        """The best text; before it is chosen, the first one, interrupted, or an empty one until that has finished."""
        return self._sample

    @property
    def state(self) -> State:
        """The state after the text of `sample`."""
        return self._read(self._sample.text)
