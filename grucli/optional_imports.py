"""Libraries that only some need: loaded when asked for, and where one is missing, the error says how to get it.

Each such library has one module of ours that imports it; that module is loaded here by its name.
"""

import importlib
from types import ModuleType

from grucli.errors import UsageError


def import_optional(module: str, extra: str, purpose: str) -> ModuleType:
    """The module of ours called `module`, which needs a library of the extra `extra`; `what` needs it, in words.

    Raises:
        UsageError: the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith(__name__.partition(".")[0]):
            raise
        raise UsageError(
            f"{purpose} needs a library that is not installed ({error.name})", f'run: pip install "grucli[{extra}]"'
        ) from error
