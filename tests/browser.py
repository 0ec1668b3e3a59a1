"""Pages opened in a real browser (Chromium, headless), clicked at by a script, and what is there then."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ALONE = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000",
)  # fmt: skip
LISTEN = "<script>var problems = []; addEventListener('error', (e) => problems.push(e.message), true);</script>"
TELL = """<script>
addEventListener("load", () => {{
  let found = null;
  try {{ found = (() => {{ {script} }})(); }} catch (e) {{ problems.push(String(e)); }}
  document.documentElement.dataset.told = JSON.stringify({{ found, problems }});
}});
</script>"""

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


def in_browser(page: Path, script: str, folder: Path, size: tuple[int, int] = (1200, 900)):
    """What ``script`` (the body of a JavaScript function) returns in ``page``; fails where the page has an error."""
    content = page.read_text().replace("<head>", f"<head>{LISTEN}", 1)
    opened = folder / "opened.html"
    opened.write_text(content.replace("</body>", TELL.format(script=script) + "</body>"))
    command = [CHROMIUM, *ALONE, f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}"]
    done = subprocess.run(
        [*command, "--enable-logging=stderr", "--dump-dom", opened.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    told = json.loads(html.unescape(re.search(r'data-told="([^"]*)"', done.stdout).group(1)))
    assert told["problems"] == [] and "CONSOLE" not in done.stderr
    return told["found"]
