"""Headless Chromium, driven over a pair of pipes by the DevTools protocol: no further package is needed."""

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
FLAGS = """--headless --no-sandbox --disable-gpu --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader
--disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync
--disable-dev-shm-usage --mute-audio --force-device-scale-factor=1 --remote-debugging-pipe""".split()
PATIENCE = 60
"""Seconds until an answer, or something on the page, counts as missing."""


class Browser:
    """One page. ``complaints`` are its errors and warnings since it was last opened."""

    def __init__(self, profile: Path, width: int = 480, height: int = 480) -> None:
        theirs_in, self.ours_out = os.pipe()
        self.ours_in, theirs_out = os.pipe()
        words = [str(BROWSER), *FLAGS, f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(  # Chromium reads from descriptor 3 and writes to 4
            ["bash", "-c", 'exec "$@" 3<&"$IN" 4>&"$OUT"', "bash", *words],
            env={**os.environ, "IN": str(theirs_in), "OUT": str(theirs_out)},
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.rest, self.session, self.complaints = 0, b"", "", []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for room in ("Page", "Runtime", "Log"):
            self.send(f"{room}.enable")
        self.resize(width, height)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its answer; what comes in between is noted."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.ours_out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.note(answer)

    def next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            assert select.select([self.ours_in], [], [], PATIENCE)[0], f"Chromium said nothing for {PATIENCE} s"
            part = os.read(self.ours_in, 1 << 20)
            assert part, "Chromium has ended"
            self.rest += part
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def note(self, event: dict[str, Any]) -> None:
        """Keep exceptions and what the log calls an error or a warning."""
        params = event.get("params", {})
        entry = params.get("entry", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif event.get("method") == "Log.entryAdded" and entry["level"] in ("error", "warning"):
            if "GL Driver Message" not in entry["text"]:  # the software renderer on its own speed
                self.complaints.append(f"{entry['text']} {entry.get('url', '')}")

    def resize(self, width: int, height: int) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url: str) -> None:
        """Load a page, to its load event."""
        self.send("Page.navigate", url="about:blank")
        self.complaints.clear()
        self.send("Page.navigate", url=url)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> Any:
        """The expression's value, once there is one."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(expression)):
            assert time.monotonic() < end, f"waited {PATIENCE} s for {expression}; the page says {self.complaints}"
            time.sleep(0.05)
        return value

    def frames(self, count: int = 2) -> None:
        """Let the page draw."""
        step = "await new Promise(done => requestAnimationFrame(done));"
        self.run(f"(async () => {{ for (let i = 0; i < {count}; i++) {{ {step} }} return 1; }})()")

    def picture(self) -> np.ndarray:
        """What the page looks like, h w 3."""
        data = self.send("Page.captureScreenshot", format="png")["data"]
        return np.asarray(Pillow.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)

    def mouse(self, kind: str, x: int, y: int, button: str = "none", **more: Any) -> None:
        """``Pressed``, ``Moved``, ``Released``, or ``Wheel`` at a place of the page."""
        pressed = {"none": 0, "left": 1, "right": 2}[button] if kind != "Released" else 0
        self.send("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, button=button, buttons=pressed,
                  clickCount=1, **more)  # fmt: skip

    def drag(self, button: str, *places: tuple[int, int]) -> None:
        """Press at the first place, go to the others, let go at the last."""
        self.mouse("Pressed", *places[0], button)
        for place in places[1:]:
            self.mouse("Moved", *place, button)
        self.mouse("Released", *places[-1], button)

    def touch(self, kind: str, *places: tuple[int, int]) -> None:
        """``Start``, ``Move`` or ``End`` of as many fingers as there are places."""
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        self.send("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=points)

    def key(self, name: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=name)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours_in)
        os.close(self.ours_out)
