"""Cells, sizes and parameters of a network, weights files, and the store of models.

Symbols used in all packages:

    B  rows of a batch        T  steps of a window      V  symbols of the vocabulary
    E  size of the embedding  H  units of a layer       L  layers
    G  gates of a cell        R  gates with a product of the state      S  components of a state

`Float32`, `Float64` and `Ids` (int32) are C-contiguous NumPy arrays. Arrays over a window are time-major, [T, B, ...],
so that one step is one contiguous block. The gradient of the loss with respect to `x` is called `dx`. Row vectors
multiply matrices from the left, as in the equations of the cells.
"""
