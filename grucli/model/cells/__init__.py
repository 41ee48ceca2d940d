"""Recurrent cells, one per file; the file has the name of the cell.

A file is the specification: equations, names of gates and parameters, initialization, and a forward and backward pass
in float64 that the compiled kernels are tested against. It defines `CELL`, an instance of its class. It needs NumPy
only, and listing the names imports none of the files.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grucli.model.cell import Cell


class _Cells(Mapping[str, "Cell"]):
    # Listing the names does not import the cells.

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
"""The cells by name."""
