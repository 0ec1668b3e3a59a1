"""Open a page in a real browser (headless Chromium) and run a script in it."""

import html
import json
import re
import shutil
import subprocess
import zlib
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


def printed_widths(page: Path, folder: Path) -> list[float]:
    """The widths in mm of the pictures of ``page`` if it is printed, in their order."""
    pdf = folder / "printed.pdf"
    options = (*OPTIONS, f"--user-data-dir={folder / 'profile'}", "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    subprocess.run([str(CHROMIUM), *options, page.as_uri()], capture_output=True, timeout=120, check=True)
    number, widths = rb"(-?[\d.]+)", []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf.read_bytes(), re.DOTALL):
        try:
            drawing = zlib.decompress(stream)
        except zlib.error:  # a font or a picture
            continue
        scale = re.match(number, drawing)  # the page's transformation comes first, that of a picture just before it
        pictures = re.findall(number + rb" 0 0 -?[\d.]+ [\d. -]+ cm\n[^q]*?/X\d+ Do", drawing)
        widths += [float(scale.group()) * float(width) * 25.4 / 72 for width in pictures if scale]
    return [width for width in widths if width > 10]  # Chromium draws dots of charts as pictures, too
