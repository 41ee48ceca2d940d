"""Environment of every test: a temporary `GRU_HOME` and no deadlines.

`GRU_HOME` is set before anything of `grucli` is imported, so that no test reads or changes the user's models. One
directory serves the whole run: the workers of pytest-xdist and the processes that tests start inherit it. Its kernels
are kept in `.pytest_cache` for the next run, under the hash of their sources.
"""

import atexit
import contextlib
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import hypothesis
import pytest

_KEPT_CACHE = Path(__file__).parents[1] / ".pytest_cache" / "gru"


def _make_session_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="gru-tests-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    _KEPT_CACHE.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(_KEPT_CACHE / "tokens", ignore_errors=True)
    with contextlib.suppress(OSError):  # Windows: links need a privilege
        (home / "cache").symlink_to(_KEPT_CACHE)
    return home


# pytest-xdist sets the variable in its workers, which inherit GRU_HOME from the process that starts them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["GRU_HOME"] = str(_make_session_home())
_SESSION_CACHE = Path(os.environ["GRU_HOME"]) / "cache"
for _name in [name for name in os.environ if name.startswith("GRU_") and name not in ("GRU_HOME", "GRU_TEST_DATA")]:
    del os.environ[_name]

# A busy machine is no bug: a test never fails for being slow.
hypothesis.settings.register_profile("gru", deadline=None)
hypothesis.settings.register_profile("fast", deadline=None, max_examples=20)
hypothesis.settings.load_profile("gru")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites the snapshots."""
    parser.addoption("--rewrite-snapshots", action="store_true", help="keep tests/ui/snapshots as the screens are now")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `GRU_HOME` for one test. Compiled kernels stay where they are."""
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def home_with_kernels(home: Path) -> Path:
    """A `GRU_HOME` for one test and its processes, without models but with the compiled kernels of the session."""
    home.mkdir()
    (home / "cache").symlink_to(_SESSION_CACHE)
    return home


@pytest.fixture
def real_data() -> Path:
    """The folder of real text that `GRU_TEST_DATA` names."""
    directory = os.environ.get("GRU_TEST_DATA")
    if not directory or not Path(directory).is_dir():
        pytest.skip("GRU_TEST_DATA names no folder with the real text")
    return Path(directory)


@pytest.fixture(autouse=True)
def _reset_sigint() -> None:
    """Let every test begin with Python's own handler of Ctrl-C, whatever a test before it has left."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _remove_packaged_model(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let every test begin without the model of the package, whether or not it has been trained."""
    monkeypatch.setattr("grucli.model.packaged.FILE", tmp_path_factory.getbasetemp() / "none" / "chitchat.safetensors")


@pytest.fixture(autouse=True)
def _reset_current_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test begin as a process does, with consoles that are not opened yet."""
    monkeypatch.setattr("grucli.ui.terminal.console._current", None)
