"""What the papers measured, and what they claim.

    Jozefowicz 2015   R. Jozefowicz, W. Zaremba, I. Sutskever: An Empirical Exploration of Recurrent Network
                      Architectures, ICML 2015, PMLR 37:2342-2350, tables 1 (accuracy) and 3 (words)
    Chung 2014        J. Chung, C. Gulcehre, K. Cho, Y. Bengio: Empirical Evaluation of Gated Recurrent Neural Networks
                      on Sequence Modeling, arXiv:1412.3555
    Weiss 2018        G. Weiss, Y. Goldberg, E. Yahav: On the Practical Computational Power of Finite Precision RNNs for
                      Language Recognition, ACL 2018, arXiv:1805.04908, section 5

Chung 2014 measured music and speech; what it claims is tested here with words.

No figure here was compared with its paper, which was not at hand: all of them are quoted from notes. Those of words are
exp of the nats per word in table 3: Penn Treebank, 5 million parameters without dropout, and 20 million with it.

The figures of `lstm` are those that the paper calls LSTM-b: this project's starts with a forget bias of 1 too. The LSTM
with a forget bias of 0, and the one without a forget gate (arithmetic 0.29, XML 0.23), are not repeated: they are other
initial values and another cell. Nor is MUT2 (arithmetic 0.897, XML 0.473): with any size of the input it is the GRU.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from grucli.comparison.suite.tasks import TRAINED_COUNT

FIGURES: Mapping[str, Mapping[str, float]] = {
    "arithmetic": {
        "rnn": 0.29493, "lstm": 0.90163, "gru": 0.89565, "mut1": 0.92135, "mut3": 0.90728,
    },
    "xml": {"rnn": 0.32050, "lstm": 0.44434, "gru": 0.45963, "mut1": 0.47483, "mut3": 0.46478},
    "counting": {"lstm": 256, "gru": 38},
    "words": {"rnn": 122.9, "lstm": 109.7, "gru": 108.2},
    "words-dropout": {"rnn": 97.7, "lstm": 79.8, "gru": 91.7},
}  # fmt: skip
"""By task and cell; see `Task.measure`."""

SOURCES = {
    "arithmetic": "Jozefowicz 2015",
    "xml": "Jozefowicz 2015",
    "counting": "Weiss 2018",
    "words": "Jozefowicz 2015",
    "words-dropout": "Jozefowicz 2015",
}
"""The paper that the figures of a task are from."""

Figures = Mapping[str, float]
"""By cell, of one seed."""


@dataclass(frozen=True)
class Claim:
    """What a paper claims about a task.

    `difference`: by how much it is so, of the figures of one seed; `unit` is that of it. `is_equality`: what is claimed
    is that there is no difference.
    """

    claim: str
    source: str
    task: str
    difference: Callable[[Figures], float]
    unit: str = ""
    is_equality: bool = False


def _percent_less(figures: Figures, cell: str, other: str) -> float:
    return 100 * (figures[other] - figures[cell]) / figures[other]


def _doublings(longest: float) -> float:
    """Return how often the longest count to train on must be doubled; counts of different seeds differ by factors."""
    return math.log2(max(longest, 1) / TRAINED_COUNT)


def _gated_over_tanh(figures: Figures) -> float:
    return min(figures["lstm"], figures["gru"]) - figures["rnn"]


def _muts_over_gru(figures: Figures) -> float:
    return (figures["mut1"] + figures["mut3"]) / 2 - figures["gru"]


CLAIMS = (
    Claim("LSTM and GRU beat tanh on arithmetic", "Jozefowicz 2015", "arithmetic", _gated_over_tanh),
    Claim("LSTM and GRU beat tanh on nested tags", "Jozefowicz 2015", "xml", _gated_over_tanh),
    Claim(
        "MUT1 and MUT3 are at least as good as the GRU on arithmetic", "Jozefowicz 2015", "arithmetic", _muts_over_gru
    ),
    Claim("MUT1 and MUT3 are at least as good as the GRU on nested tags", "Jozefowicz 2015", "xml", _muts_over_gru),
    Claim(
        "the LSTM counts more than twice as far as it was trained",
        "Weiss 2018",
        "counting",
        lambda figures: _doublings(figures["lstm"]) - 1,
        "doublings",
    ),
    Claim(
        "the GRU does not count twice as far as it was trained",
        "Weiss 2018",
        "counting",
        lambda figures: 1 - _doublings(figures["gru"]),
        "doublings",
    ),
    Claim(
        "LSTM and GRU beat tanh on words",
        "Chung 2014",
        "words",
        lambda figures: min(_percent_less(figures, cell, "rnn") for cell in ("lstm", "gru")),
        "%",
    ),
    Claim(
        "neither LSTM nor GRU wins on words",
        "Chung 2014",
        "words",
        lambda figures: _percent_less(figures, "gru", "lstm"),
        "%",
        is_equality=True,
    ),
    Claim(
        "the GRU is at least as good as the LSTM on words without dropout",
        "Jozefowicz 2015",
        "words",
        lambda figures: _percent_less(figures, "gru", "lstm"),
        "%",
    ),
    Claim(
        "the LSTM is better than the GRU on words with dropout",
        "Jozefowicz 2015",
        "words-dropout",
        lambda figures: _percent_less(figures, "lstm", "gru"),
        "%",
    ),
)
