"""AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) and the norm for gradient clipping, over flat buffers."""

import math

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import kernel, reduction


@reduction
def sum_of_squares(low: int, high: int, g: Float32) -> float:
    """Return Σ g[i]² over low ≤ i < high in float64; g float32 [N]."""
    total = 0.0
    for i in range(low, high):
        total += np.float64(g[i]) * np.float64(g[i])
    return total


@kernel
def adamw(
    low: int,
    high: int,
    p: Float32,
    g: Float32,
    m: Float32,
    v: Float32,
    clip_coef: np.float32,
    beta1: np.float32,
    beta2: np.float32,
    step_size: np.float32,
    inv_sqrt_bias_correction2: np.float32,
    epsilon: np.float32,
    decay: np.float32,
) -> None:
    """Update the elements low ≤ i < high of the parameters p and moments m, v by one step, in place.

    p, g, m, v: float32 [N]. clip_coef scales the gradient g. step_size = lr / (1 - β1ᵗ), inv_sqrt_bias_correction2 =
    1 / √(1 - β2ᵗ), decay = 1 - lr · weight decay.
    """
    one = np.float32(1)
    for i in range(low, high):
        gradient = g[i] * clip_coef
        m[i] = beta1 * m[i] + (one - beta1) * gradient
        v[i] = beta2 * v[i] + (one - beta2) * gradient * gradient
        p[i] = p[i] * decay - step_size * m[i] / (math.sqrt(v[i]) * inv_sqrt_bias_correction2 + epsilon)
