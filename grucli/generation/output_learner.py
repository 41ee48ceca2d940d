"""The output layer learns from the text while it is read: dynamic evaluation (Krause 2018, arXiv:1709.07432).

After each passage comes a step of gradient descent on its loss, and what was learned decays. Only the output bias and
the matrix that states are multiplied with learn: out.W, or out.P where the output is tied to the embedding. So the
states stay as they are, and what was learned fits into a weights file.

Rates are relative to the squares of the states and embeddings, so they serve networks of any size.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.generation.probabilities import Float64, log_softmax
from grucli.generation.slices import slices
from grucli.kernels.arrays import Float32

LEARNING_RATE = 0.6
DECAY = 0.005
"""The part of what was learned that each step drops."""

MAX_STEP_TOKENS = 64
"""A longer passage is learned in several steps."""

_MAX_HALVINGS = 8
_TOLERANCE = 0.1  # nats that the decay may cost


@dataclass(frozen=True, slots=True)
class OutputParameters:
    """The parameters that learn: matrix float32 [H, V], or [H, E] if the output is tied, and bias float32 [V]."""

    matrix: Float32
    bias: Float32


class OutputLearner:
    """Takes the steps for one model, whose own parameters are `original`."""

    def __init__(self, parameters: Mapping[str, Float32]) -> None:
        """Learn from the named parameters of a model, which stay as they are."""
        self._matrix_name = "out.P" if "out.P" in parameters else "out.W"
        self.original = OutputParameters(parameters[self._matrix_name], parameters["out.b"])
        self._embedding = parameters["embedding"] if self._matrix_name == "out.P" else None
        # Mean of the squared length of a row: 1 where logits are not a product with the embedding.
        squares = 1.0 if self._embedding is None else np.square(self._embedding, dtype=np.float64).sum(1).mean()
        self._matrix_scale = 1 / max(float(squares), 1e-12)

    def arrays(self, output: OutputParameters) -> dict[str, Float32]:
        """Return the parameters by their names in a weights file."""
        return {self._matrix_name: output.matrix, "out.b": output.bias}

    def weights(self, output: OutputParameters) -> Float32:
        """Return the weights of the output layer [H, V]."""
        return output.matrix if self._embedding is None else output.matrix @ self._embedding.T

    def log_probabilities(self, output: OutputParameters, states: Float32) -> Float64:
        """Return the logarithms of the probabilities of the next token [n, V] after states [n, H]."""
        features = states @ output.matrix
        logits = features if self._embedding is None else features @ self._embedding.T
        return log_softmax(np.asarray(logits + output.bias, np.float64))

    def nats(self, output: OutputParameters, states: Float32, targets: NDArray[np.int32]) -> float:
        """Return the surprisal of targets [n] after states [n, H], in nats."""
        total = 0.0
        for part in slices(len(targets), MAX_STEP_TOKENS):
            total += _nats(self.log_probabilities(output, states[part]), targets[part])
        return total

    def learn(self, output: OutputParameters, states: Float32, targets: NDArray[np.int32]) -> OutputParameters:
        """Return the parameters after learning targets [n], which follow states [n, H].

        A step that would make its own targets more surprising is halved; so a text that repeats itself does no harm.
        """
        for part in slices(len(targets), MAX_STEP_TOKENS):
            output = self._step(output, states[part], targets[part])
        return output

    def _step(self, output: OutputParameters, states: Float32, targets: NDArray[np.int32]) -> OutputParameters:
        before, d_matrix, d_bias = self.loss_and_gradients(output, states, targets)
        rate = LEARNING_RATE / (1 + np.square(states).sum(1).mean())
        for _ in range(_MAX_HALVINGS):
            stepped = OutputParameters(
                _update(output.matrix, self.original.matrix, d_matrix, rate * self._matrix_scale),
                _update(output.bias, self.original.bias, d_bias, rate),
            )
            if np.isfinite(stepped.matrix).all() and self.nats(stepped, states, targets) <= before + _TOLERANCE:
                return stepped
            rate /= 2
        return output

    def loss_and_gradients(
        self, output: OutputParameters, states: Float32, targets: NDArray[np.int32]
    ) -> tuple[float, Float32, Float32]:
        """Return Σ nats, and its gradients for matrix and bias."""
        log_probs = self.log_probabilities(output, states)
        d_logits = np.exp(log_probs).astype(np.float32)
        d_logits[np.arange(len(targets)), targets] -= 1
        d_features = d_logits if self._embedding is None else d_logits @ self._embedding
        d_matrix, d_bias = states.T @ d_features, d_logits.sum(0)
        return _nats(log_probs, targets), np.asarray(d_matrix, np.float32), np.asarray(d_bias, np.float32)


def _nats(log_probs: Float64, targets: NDArray[np.int32]) -> float:
    return -float(np.take_along_axis(log_probs, targets[:, None], 1).sum())


def _update(learned: Float32, original: Float32, gradient: Float32, rate: float) -> Float32:
    moved = learned - np.float32(rate) * gradient
    return np.asarray(moved + np.float32(DECAY) * (original - moved))
