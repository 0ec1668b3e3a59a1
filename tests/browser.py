"""Open a page in a real browser (headless Chromium) and run a script in it."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000",
)  # fmt: skip
RECORD_ERRORS = "<script>var errors = []; addEventListener('error', (e) => errors.push(e.message), true);</script>"
RUN_SCRIPT = """<script>
addEventListener("load", () => {{
  let result = null;
  try {{ result = (() => {{ {script} }})(); }} catch (e) {{ errors.push(String(e)); }}
  document.documentElement.dataset.testResult = JSON.stringify({{ result, errors }});
}});
</script>"""

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")


def in_browser(page: Path, script: str, folder: Path, size: tuple[int, int] = (1200, 900)) -> Any:
    """What ``script``, the body of a JavaScript function, returns in ``page``. Fails if the page has an error."""
    content = page.read_text().replace("<head>", f"<head>{RECORD_ERRORS}", 1)
    copy = folder / "opened.html"
    copy.write_text(content.replace("</body>", RUN_SCRIPT.format(script=script) + "</body>"))
    options = (*OPTIONS, f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}")
    process = subprocess.run(
        [str(CHROMIUM), *options, "--enable-logging=stderr", "--dump-dom", copy.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    match = re.search(r'data-test-result="([^"]*)"', process.stdout)
    assert match, "the page did not load"
    answer = json.loads(html.unescape(match.group(1)))
    assert answer["errors"] == [] and "CONSOLE" not in process.stderr
    return answer["result"]
