"""Import of modules that need an optional library, with an error that says how to install it."""

import importlib
from types import ModuleType

from grucli.errors import UsageError


def import_optional(module: str, extra: str, purpose: str) -> ModuleType:
    """Import our module `module`, which needs a library of the extra `extra`; `purpose` is the feature, for errors.

    Raises:
        UsageError: the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith(__name__.partition(".")[0]):
            raise
        raise UsageError(
            f"{purpose} needs a library that is not installed: {error.name}", f'run: pip install "grucli[{extra}]"'
        ) from error
