"""The map of a page in a real browser: a hover tells the row, on wide and narrow screens, and nothing is fetched."""

import json
import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from vae_moe.app.features import Feature
from vae_moe.app.report import groups
from vae_moe.app.report.groups import Groups
from vae_moe.app.report.page import Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "</script><b>'\"&"
#: Where the point farthest to the right is on the screen.
PLACE = """(() => {
  const canvas = document.querySelector('.map canvas');
  const map = JSON.parse(document.querySelector('[data-map]').dataset.map);
  canvas.scrollIntoView({block: 'center'});
  const box = canvas.getBoundingClientRect(), i = map.x.indexOf(Math.max(...map.x));
  return [box.left + 12 + map.x[i] * (box.width - 24), box.top + 12 + (1 - map.y[i]) * (box.height - 24), map.rows[i]];
})()"""


class Browser:
    """A page in a headless Chromium, spoken to by pipes."""

    def __init__(self, folder):
        self.answers, theirs = os.pipe()
        commands, self.commands = os.pipe()
        quiet = "--headless --no-sandbox --disable-gpu --no-first-run --remote-debugging-pipe"
        line = f'exec "$0" {quiet} --user-data-dir="{folder}" 3<&{commands} 4>&{theirs}'
        nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(["bash", "-c", line, CHROMIUM], pass_fds=(commands, theirs), **nowhere)
        os.close(commands)
        os.close(theirs)
        self.session, self.number, self.rest, self.events = {}, 0, b"", []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Log", "Network", "Runtime"):
            self(f"{domain}.enable")

    def __call__(self, method, **params):
        """What a method of the DevTools protocol gives."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params, **self.session}
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (found := self.next()).get("id") != self.number:
            pass
        return found["result"]

    def next(self):
        """The next message; events are kept."""
        while b"\0" not in self.rest:
            part = os.read(self.answers, 2**20)
            assert part, "the browser has ended"
            self.rest += part
        message, _, self.rest = self.rest.partition(b"\0")
        found = json.loads(message)
        self.events += [found] if "method" in found else []
        return found

    def value(self, expression):
        """The value of an expression of JavaScript, a promise's when it is kept."""
        found = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def open(self, path, width, scheme):
        """Show a file on a screen of a width, light or dark."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self("Page.navigate", url=path.as_uri())
        while self.next().get("method") != "Page.loadEventFired":
            pass
        self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def close(self):
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_hover_tells_the_row(tmp_path, rng):
    x = np.concatenate([rng.normal(size=(30, 2)), rng.normal(6, 1, size=(30, 2))])
    frame = pd.DataFrame(x, columns=["age", HOSTILE])
    features = [Feature(name, "", "number", 0.0, 1.0) for name in frame]
    rows = [str(row) for row in range(1, 61)]
    found = Groups("cluster", x, x, np.eye(2)[np.repeat([0, 1], 30)], rows, features, frame)
    Page("t", "s", {"Latent space": groups.latents(found)}).write(tmp_path)
    browser = Browser(tmp_path / "profile")
    try:
        for width, scheme in ((1280, "light"), (400, "dark")):
            browser.open(tmp_path / "report.html", width, scheme)
            left, top, row = browser.value(PLACE)
            browser("Input.dispatchMouseEvent", type="mouseMoved", x=left, y=top)
            lines = browser.value("document.querySelector('.map > div').innerText").split("\n")
            assert lines[:2] == [row, "cluster 1, 100% sure"]
            cell = f"{HOSTILE}: {groups.shown(x[rows.index(row.removeprefix('row ')), 1])}"
            assert cell in lines and lines[2].startswith(("age", HOSTILE))
            assert browser.value("document.documentElement.scrollWidth") <= width
            assert browser.value("getComputedStyle(document.querySelector('img').parentNode).display") == "none"
        said = [event for event in browser.events if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
        asked = [event["params"] for event in browser.events if event["method"] == "Network.requestWillBeSent"]
        assert not said and all(each["request"]["url"].startswith(("file:", "data:")) for each in asked)
        injected = "Object.assign(document.createElement('script'), {textContent: 'window.foreign = 1'})"
        browser.value(f"document.body.append({injected})")
        assert browser.value("window.foreign") is None  # the policy has one script alone
    finally:
        browser.close()
