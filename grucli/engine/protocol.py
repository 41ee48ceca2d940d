"""Interface of an engine: training, evaluation and inference of one network on some hardware.

The rest of the program depends on these protocols alone. `grucli.engine.cpu` implements them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from grucli.kernels.arrays import Float32
from grucli.kernels.sampling import DecodeState, Ids, SamplingParams
from grucli.model.config import ModelConfig
from grucli.text.loader import EvalBatch, TrainBatch

GradientHook = Callable[[Float32], None]
"""Called in every step with each contiguous part of the flat gradient, float32 [n], as soon as it is complete.

The parts are `Parameters.groups`: the output, each layer from the top, the embedding. An all-reduce of one part can
overlap with the computation of the next; all must be complete when the call with the last part returns.
"""


@dataclass(frozen=True, slots=True)
class DropoutMask:
    """Dropout of each layer's output with probability `rate`, and of the embedded tokens with `embed_rate`.

    `key` seeds the masks of one step.
    """

    rate: float
    embed_rate: float
    key: int


class Optimizer(Protocol):
    """Update rule of the flat parameters. `state`: float32 arrays by name, updated in place, kept in checkpoints."""

    state: dict[str, Float32]

    def step(self, step: int, gradients: Float32, learning_rate: float, scale: float) -> None:
        """Update the parameters for step number `step`, from 0, by scale · gradients [N]; `scale` clips, 0 to 1."""


class InferenceEngine(Protocol):
    """Reads and generates many sequences with the same weights; the caller keeps their states."""

    def prefill(self, tokens: Ids, state: Float32, hidden: Float32 | None = None) -> None:
        """Read tokens [K, n], ids in 0 … V - 1, into state [L, n, S·H], which is updated in place.

        hidden [K, n, H] receives the output of the highest layer after each token.
        """

    def decode(
        self, low: int, high: int, params: SamplingParams, decode_state: DecodeState, state: Float32, out_tokens: Ids
    ) -> None:
        """Generate sequences [low, high): at most K tokens each, fewer where a sequence stops.

        state [L, n, S·H] and `decode_state` are updated in place. out_tokens [n, K] receives the tokens; the rest of a
        row is unchanged. With relevance, `low` and `high` are even: pairs of sequences are generated together.
        """

    def with_output(self, weights: Float32, bias: Float32) -> "InferenceEngine":
        """Return an engine with another output layer, weights [H, V] and bias [V], and the same states."""

    def with_held_units(self, values: Mapping[tuple[int, int], float]) -> "InferenceEngine":
        """Return an engine that holds the output of units, by layer 0 … L - 1 and unit 0 … H - 1, at a value.

        It has that value after each token, for the next layer too. The other components of the state are not held.
        """


class Scorer(Protocol):
    """Computes losses."""

    def score(self, batch: EvalBatch) -> Float32:
        """Return loss_mask · nats, float32 [T, B]. The state is carried from batch to batch, zero before an epoch."""


class Engine(Scorer, Protocol):
    """Trains one network, whose shape is `sizes`. Losses are in nats."""

    sizes: ModelConfig

    def step(self, step: int, batch: TrainBatch, dropout: DropoutMask, learning_rate: float) -> tuple[float, float]:
        """Train on a batch: forward, backward, clip, update. The state is carried from batch to batch.

        Returns:
            The mean loss in nats per token, and the norm of the gradient before clipping. The parameters are unchanged
            if that norm is not finite.
        """

    def arrays(self) -> dict[str, Float32]:
        """Return everything a checkpoint keeps: parameters, state and the state of the optimizer, by name."""

    def load(self, arrays: Mapping[str, Float32]) -> None:
        """Restore what `arrays` returned.

        Raises:
            ValueError: they are not those arrays: other names, shapes or types, or values that are not finite.
        """

    def named_parameters(self) -> Mapping[str, Float32]:
        """Return the parameters by name, in the shapes of `parameter_shapes`."""

    def inference(self, *, quantized: bool) -> InferenceEngine:
        """Return an engine for inference with the present parameters; quantized: in int8."""
