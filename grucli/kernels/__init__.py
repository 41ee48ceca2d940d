"""Every compiled loop. This room knows arrays; it knows nothing of models, files or terminals.

`jit` wraps Numba once and decides where machine code is kept; `elementary` has exp, σ and tanh; `tile` multiplies
matrices in registers, `products` those of a whole window, `streaming` those of a few rows; `layer` takes a
recurrent layer through a window, and `decode` a network through a token, by the loops in `cells`; `loss`, `dropout` and `adamw` are the rest of a training step;
`sampling` draws tokens; `novelty` tells what was seen before. Arrays are C-contiguous; ids and sizes are checked by
whoever calls, since nothing here looks.
"""
