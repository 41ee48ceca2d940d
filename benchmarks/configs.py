"""The shapes that every benchmark uses: vocabulary, embedding, hidden units, layers, batch rows, steps."""

from typing import NamedTuple


class BenchmarkConfig(NamedTuple):
    """See the legend of `grucli.model`."""

    V: int
    E: int
    H: int
    L: int
    B: int
    T: int

    @property
    def num_parameters(self) -> int:
        """Of a GRU, the embedding left out: what a step multiplies by."""
        first = 3 * self.H * (self.E + self.H + 1)
        upper = (self.L - 1) * 3 * self.H * (2 * self.H + 1)
        return first + upper + self.V * (self.H + 1)

    @property
    def flop_per_token(self) -> int:
        """A multiplication and an addition a parameter, forward once and backward twice."""
        return 6 * self.num_parameters


TRAINING = {
    "char-rnn": BenchmarkConfig(96, 96, 128, 2, 50, 50),
    "laptop": BenchmarkConfig(96, 64, 256, 1, 64, 64),
    "deep": BenchmarkConfig(96, 128, 512, 2, 64, 128),
    "wide": BenchmarkConfig(96, 128, 1024, 1, 64, 128),
    "words": BenchmarkConfig(8000, 64, 128, 1, 32, 32),
    "subword": BenchmarkConfig(4096, 256, 512, 1, 64, 64),
}

SAMPLING = {
    "char-rnn": BenchmarkConfig(96, 96, 128, 2, 1, 1),
    "deep": BenchmarkConfig(96, 128, 512, 2, 1, 1),
    "wide": BenchmarkConfig(96, 128, 1024, 1, 1, 1),
    "subword": BenchmarkConfig(4096, 256, 512, 1, 1, 1),
}
