"""All compiled loops. They work on arrays, and depend on no model, file or terminal.

`jit` wraps Numba and sets its cache; `elementary` has exp, σ and tanh; `microkernel` multiplies matrices in registers,
`gemm` those of a whole window, `quantized` those of a few rows; `layer` runs a recurrent layer over a window and
`decode` a network over a token, by the loops in `cells`; `loss`, `dropout` and `adamw` are the rest of a training step;
`sampling` samples tokens; `bloom` is a filter of text windows. Arrays are C-contiguous; callers check ids and sizes.

Numba is imported here, before any other module can, so that it does not read `.numba_config.yaml` of the working
directory: that file may be another person's, and its settings could disable compiling or print the code.
"""

import sys
import warnings


def _import_numba() -> None:
    """Import Numba as if PyYAML were not installed, and keep it from looking for the file at each compilation.

    Python does not import a module that is None in `sys.modules`.
    """
    yaml = sys.modules.pop("yaml", None)
    sys.modules["yaml"] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A Numba config file is found")
            import numba.core.config
        numba.core.config._config_fname = ""
    finally:
        del sys.modules["yaml"]
        if yaml is not None:
            sys.modules["yaml"] = yaml


# A program that has imported Numba before has configured it.
if "numba" not in sys.modules:
    _import_numba()
