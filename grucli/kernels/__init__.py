"""All compiled loops. They work on arrays, and depend on no model, file or terminal.

`jit` wraps Numba and sets its cache; `elementary` has exp, σ and tanh; `microkernel` multiplies matrices in registers,
`gemm` those of a whole window, `quantized` those of a few rows; `layer` runs a recurrent layer over a window and
`decode` a network over a token, by the loops in `cells`; `loss`, `dropout` and `adamw` are the rest of a training step;
`sampling` samples tokens; `bloom` is a filter of text windows. Arrays are C-contiguous; callers check ids and sizes.
"""
