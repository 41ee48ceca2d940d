"""How surprising a text is to a model: the held-out loss of training, and `gru eval`."""

import math
from dataclasses import dataclass

from grucli.engine.network import Network
from grucli.engine.thread_pool import Crew
from grucli.model.parameters import Parameters
from grucli.model.weights import Weights
from grucli.text.loader import scoring_windows
from grucli.text.token_file import TokenFile

_ROWS, _STEPS = 64, 64
_BYTE = 8 * math.log(2)  # nats


@dataclass(frozen=True, slots=True)
class Scores:
    """Losses over a whole text. `nats_per_token` and `perplexity` count every token asked for, end tokens included.

    Per character means per character of text: the end tokens' nats count too, and what the tokenizer does not know is
    charged eight bits a byte on top of its unknown token, so that tokenizers can be compared.
    """

    nats_per_token: float
    nats_per_char: float
    bits_per_char: float
    perplexity: float
    tokens: int
    characters: int


class Scorer:
    """Scores token files under one set of parameters, which may change between calls."""

    def __init__(self, parameters: Parameters, crew: Crew) -> None:
        self._network = Network(parameters, _STEPS, _ROWS, crew)

    def score(self, tokens: TokenFile) -> Scores:
        """The losses over all of `tokens`, the state carried through it and set to zero where a document begins."""
        network = self._network
        state = network.zero_state()
        nats, count = 0.0, 0
        for window in scoring_windows(tokens, network.B, network.T):
            network.forward(window.inputs, window.resets, state)
            nats += network.loss(window.targets, window.weights)
            count += int(window.weights.sum())
        per_token = nats / max(count, 1)
        per_char = (nats + _BYTE * tokens.unknown_bytes) / max(tokens.characters, 1)
        return Scores(
            nats_per_token=per_token,
            nats_per_char=per_char,
            bits_per_char=per_char / math.log(2),
            perplexity=math.exp(min(per_token, 700.0)),
            tokens=count,
            characters=tokens.characters,
        )


def evaluate(weights: Weights, tokens: TokenFile, threads: int | None = None) -> Scores:
    """The losses of a saved model over all of `tokens`, which its own tokenizer must have made."""
    parameters = Parameters(weights.sizes)
    parameters.load(weights.arrays)
    return Scorer(parameters, Crew(threads)).score(tokens)
