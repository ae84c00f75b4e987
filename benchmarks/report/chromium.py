"""A headless Chromium that opens a page, runs script in it and takes pictures, over the DevTools pipe.

Nothing but the browser is needed: the protocol is JSON messages, each ended by a zero byte, on the browser's
file descriptors 3 and 4 (`--remote-debugging-pipe`).
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--hide-scrollbars", "--disable-extensions", "--disable-background-networking",
    "--remote-debugging-pipe",
)  # fmt: skip
# Put the two ends of the pipes on 3 and 4, then become the browser.
_LAUNCHER = (
    "import os, sys; r, w = int(sys.argv[1]), int(sys.argv[2]); a, b = os.dup(r), os.dup(w); "
    "import fcntl; a, b = (fcntl.fcntl(f, fcntl.F_DUPFD, 10) for f in (a, b)); "
    "os.dup2(a, 3); os.dup2(b, 4); os.execvp(sys.argv[3], sys.argv[3:])"
)


class ChromiumError(RuntimeError):
    """The browser did not start, did not answer, or refused a command."""


def find_chromium() -> str | None:
    """Path of the browser; None where none is installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One browser with one tab; a context manager.

    Attributes:
        errors: What the pages wrote to the console as an error, and exceptions that nothing caught.
        requests: Addresses that the pages asked for.
    """

    def __init__(self, path: str, timeout: float = 60.0) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._timeout, self._number, self._buffer = timeout, 0, b""
        self._events: list[dict[str, Any]] = []
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, str(theirs_in), str(theirs_out), path, *_FLAGS,
             f"--user-data-dir={self._profile.name}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._session: str | None = None
        try:
            target = self.send("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.send(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and take its profile away."""
        try:
            self._session = None
            self.send("Browser.close")
            self._process.wait(10)
        except (ChromiumError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            os.close(self._in)
            os.close(self._out)
            self._profile.cleanup()

    def open(
        self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False, media: str = "screen"
    ) -> None:
        """Load a file in a window of so many CSS pixels, light or dark; returns when it is loaded."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self._events.clear()
        self.send("Page.navigate", url=page.resolve().as_uri())
        self._until(lambda: any(event["method"] == "Page.loadEventFired" for event in self._events))

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise ChromiumError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def picture(self, *, full: bool = False) -> bytes:
        """The page as PNG: what is in the window, or all of it."""
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        return base64.b64decode(answer["data"])

    def printed(self) -> bytes:
        """The page as PDF on A4."""
        answer = self.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)
        return base64.b64decode(answer["data"])

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol; returns its result.

        Raises:
            ChromiumError: The browser ended, refused the command, or did not answer in time.
        """
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        try:
            os.write(self._out, json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise ChromiumError(f"{method}: the browser has ended") from None
        answers: list[dict[str, Any]] = []
        self._until(lambda: bool(answers), lambda m: answers.append(m) if m.get("id") == number else None)
        if "error" in answers[0]:
            raise ChromiumError(f"{method}: {answers[0]['error'].get('message')}")
        result: dict[str, Any] = answers[0]["result"]
        return result

    def _until(
        self, done: Callable[[], bool], heard: Callable[[dict[str, Any]], None] = lambda message: None
    ) -> None:
        end = time.monotonic() + self._timeout
        while not done():
            while b"\0" not in self._buffer:
                ready, _, _ = select.select([self._in], [], [], max(end - time.monotonic(), 0))
                data = os.read(self._in, 1 << 20) if ready else b""
                if not data:
                    raise ChromiumError(
                        f"the browser has ended (exit code {self._process.poll()})"
                        if ready
                        else f"the browser did not answer in {self._timeout:g} s"
                    )
                self._buffer += data
            text, _, self._buffer = self._buffer.partition(b"\0")
            message = json.loads(text)
            self._note(message)
            heard(message)

    def _note(self, message: dict[str, Any]) -> None:
        kind, given = message.get("method"), message.get("params", {})
        if kind is None:
            return
        self._events.append(message)
        if kind == "Runtime.exceptionThrown":
            details = given["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif kind == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(part.get("value")) for part in given["args"]))
        elif kind == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.errors.append(given["entry"]["text"])
        elif kind == "Network.requestWillBeSent" and not given["request"]["url"].startswith("data:"):
            self.requests.append(given["request"]["url"])
