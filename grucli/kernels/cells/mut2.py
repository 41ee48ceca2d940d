"""MUT2, one row at a time: with a matrix for every input it is the GRU (see `grucli.model.cells.mut2`)."""

from grucli.kernels.cells.gru import CELL

__all__ = ["CELL"]
