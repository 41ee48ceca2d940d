"""The network, its cells, the sampler, weights files and the store of models.

One legend, used here and in every room below and above:

    B  rows of a batch        T  steps of a window      V  symbols of the vocabulary
    E  size of the embedding  H  units of a layer       L  layers
    G  gate columns of a cell, a multiple of H

Arrays over a window are time-major, [T, B, ...], so that one step is one contiguous block. The gradient of the loss
with respect to `x` is called `dx`. Row vectors multiply matrices from the left, as in the equations of the cells.
"""
