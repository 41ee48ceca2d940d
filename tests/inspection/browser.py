"""A headless Chromium, driven by the DevTools protocol over a pipe."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome") if os.name == "posix" else ()
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
"""The browser, None if there is none whose pipes can be connected."""


class Page:
    """A page of the browser. `problems`: errors of its console; `requests`: the addresses that it has asked for."""

    def __init__(self, to_browser: RawIOBase, from_browser: RawIOBase) -> None:
        self._out, self._in = to_browser, from_browser
        self._numbers, self._session, self._rest = itertools.count(1), "", b""
        self.problems: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != number:
            self._note(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path, width: int = 1200, height: int = 900, theme: str = "light") -> None:
        """Load a file in a window of a size, for a user who prefers a theme, and wait until it is complete."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.call("Page.navigate", url=path.as_uri())
        while (event := self._receive()).get("method") != "Page.loadEventFired":
            self._note(event)

    def run(self, script: str) -> Any:
        """Return the value of an expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key."""
        code = {"Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}[key]
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(image["data"]))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = self._in.read(1 << 16)
            assert chunk, "the browser has ended"
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        value: dict[str, Any] = json.loads(message)
        return value

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif (
            method == "Runtime.exceptionThrown"
            or (method == "Log.entryAdded" and params["entry"]["level"] == "error")
            or (method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"))
        ):
            self.problems.append(json.dumps(params))


@contextlib.contextmanager
def open_browser(profile: Path) -> Iterator[Page]:
    """Start the browser with a profile in an empty folder."""
    import fcntl  # not on Windows

    assert CHROMIUM is not None
    commands, to_browser = os.pipe()
    from_browser, events = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (commands, events)]

    def connect() -> None:
        for wanted, fd in zip((3, 4), high, strict=True):  # where the browser looks for its pipe
            os.dup2(fd, wanted)

    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"]
    command = [CHROMIUM, *options, f"--user-data-dir={profile}"]
    quiet = subprocess.DEVNULL
    browser = subprocess.Popen(command, preexec_fn=connect, pass_fds=(3, 4), stdout=quiet, stderr=quiet)
    for fd in (commands, events, *high):
        os.close(fd)
    with os.fdopen(to_browser, "wb", buffering=0) as write, os.fdopen(from_browser, "rb", buffering=0) as read:
        try:
            yield Page(write, read)
        finally:
            browser.kill()
            browser.wait()
