"""What every test can rely on: a home of its own for the program, and no deadline for being slow.

`GRU_HOME` is set before anything of `grucli` is imported, so that no test sees or touches the models of whoever runs
it. It lasts for the session: kernels are compiled once, for the tests and for the processes they start.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

_SESSION_HOME = tempfile.mkdtemp(prefix="gru-tests-")
os.environ["GRU_HOME"] = _SESSION_HOME
atexit.register(shutil.rmtree, _SESSION_HOME, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith("GRU_") and name not in ("GRU_HOME", "GRU_TEST_DATA")]:
    del os.environ[_name]

# A busy machine is no bug: a test never fails for being slow.
hypothesis.settings.register_profile("gru", deadline=None)
hypothesis.settings.load_profile("gru")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the option that takes the pictures of the screens anew."""
    parser.addoption("--rewrite-snapshots", action="store_true", help="keep tests/ui/snapshots as the screens are now")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `GRU_HOME` for one test. Compiled kernels stay where they are."""
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def real_data() -> Path:
    """The folder of real text that `GRU_TEST_DATA` names."""
    directory = os.environ.get("GRU_TEST_DATA")
    if not directory or not Path(directory).is_dir():
        pytest.skip("GRU_TEST_DATA names no folder with the real text")
    return Path(directory)


@pytest.fixture(autouse=True)
def _reset_current_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test begin as a process does, with consoles that are not opened yet."""
    monkeypatch.setattr("grucli.ui.terminal.console._current", None)
