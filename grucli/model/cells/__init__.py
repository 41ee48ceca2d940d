"""Cells: what happens to one layer's state at one step. A cell is one file here and one in `grucli.kernels`.

A file here holds the specification: the equations, the names of gates and parameters, how they begin, and a forward
and backward pass in float64 that the compiled kernels are held to. Only NumPy is needed to read or to run it.
"""

from grucli.model.cells.base import Cell
from grucli.model.cells.gru import GRU
from grucli.model.cells.gru_after import GRU_AFTER

CELLS: dict[str, Cell] = {cell.name: cell for cell in (GRU, GRU_AFTER)}
