"""A headless Chromium, driven through a pipe in its DevTools protocol.

It opens pages, evaluates scripts in them, presses keys and takes pictures, for the tests of the page and for
benchmarks. Nothing but the browser itself is needed.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final, Self

COMMAND: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The browser's path, None where none is installed."""
_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",  # in a container the user is root, for whom the sandbox does not start
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class Browser:
    """One tab in a browser with an empty profile; a context manager, at whose end the browser ends.

    Attributes:
        messages: What the console and the browser's log have said since the page was opened.
        requests: The addresses asked for since then, the page's own first.
    """

    def __init__(self) -> None:
        if COMMAND is None:
            raise RuntimeError("no Chromium is installed")
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._count = 0
        self._session: str | None = None
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        commands, to_browser = os.pipe()
        from_browser, answers = os.pipe()
        # The browser reads commands from descriptor 3 and writes answers to 4.
        pipes = ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash"]
        self._process = subprocess.Popen(  # noqa: S603  # a browser's path and options, nothing from outside
            [*pipes, COMMAND, *_OPTIONS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(commands, answers),
        )
        os.close(commands)
        os.close(answers)
        self._commands = os.fdopen(to_browser, "wb", buffering=0)
        self._answers = os.fdopen(from_browser, "rb", buffering=0)
        self._rest = b""
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands.close()  # at the end of its commands the browser ends
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._profile.cleanup()

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a command of the protocol.

        Raises:
            RuntimeError: the browser refused it, or has ended.
        """
        self._count += 1
        command: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        self._commands.write(json.dumps(command).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded and its scripts have run."""
        self.messages.clear()
        self.requests.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, awaited if it is a promise.

        Raises:
            RuntimeError: the script threw.
        """
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            details = done["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression in the page is true.

        Raises:
            RuntimeError: it has not become so in a minute.
        """
        self.evaluate(f"""new Promise((resume, fail) => {{
            const late = setTimeout(() => fail(new Error("it did not become true")), 60000);
            const look = () => ({condition}) ? resume(clearTimeout(late)) : setTimeout(look, 5);
            look();
        }})""")

    def press(self, *keys: str) -> None:
        """Press keys one after the other where the focus is, by names such as ``ArrowLeft`` or ``Tab``."""
        codes = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}
        codes |= {"ArrowDown": 40, " ": 32}
        for key in keys:
            text = {"Enter": "\r", " ": " "}.get(key, "")
            pressed = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **pressed)
            self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def screen(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Make the screen so many CSS pixels large, light or dark; a phone is one without a mouse."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """What the screen shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _next(self) -> dict[str, Any]:
        """The next message of the browser; what the attributes keep is kept."""
        while b"\0" not in self._rest:
            data = self._answers.read(1 << 20)
            if not data:
                raise RuntimeError("the browser has ended")
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        content = message.get("params", {})
        match message.get("method"):
            case "Log.entryAdded":
                self.messages.append(content["entry"]["text"])
            case "Runtime.consoleAPICalled":
                self.messages.append(str([value.get("value") for value in content["args"]]))
            case "Runtime.exceptionThrown":
                details = content["exceptionDetails"]
                self.messages.append(details.get("exception", {}).get("description") or details["text"])
            case "Network.requestWillBeSent":
                self.requests.append(content["request"]["url"])
        return message
