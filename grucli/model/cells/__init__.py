"""Cells: what happens to one layer's state at one step. Each file here is a cell, and its name is the cell's.

A file holds the specification: the equations, the names of gates and parameters, how they begin, and a forward and
backward pass in float64 that the compiled kernels are held to. It defines `CELL`, an instance of its class. Only NumPy
is needed to read or to run it; the names alone need not even that.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grucli.model.cell import Cell


class _Cells(Mapping[str, "Cell"]):
    """The names are those of the files; a file is imported when its cell is asked for."""

    def __init__(self) -> None:
        self._files = {module.name.replace("_", "-"): module.name for module in pkgutil.iter_modules(__path__)}

    def __getitem__(self, name: str) -> "Cell":
        cell: Cell = import_module(f"{__name__}.{self._files[name]}").CELL
        return cell

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._files))

    def __len__(self) -> int:
        return len(self._files)


CELLS: Mapping[str, "Cell"] = _Cells()
"""What every cell says of itself, by name."""
