"""evaluate_model.py --report: the page says what the scorer says, opens in a browser from a disk, sorts and filters."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ecg.classes import load_weights
from ecg.data.header import read_header
from ecg.data.listing import find_headers
from ecg.evaluation.metrics import challenge_metric, curve
from ecg.evaluation.outputs import Evaluation, format_outputs
from ecg.report.evaluation import confusions, costs, thinned
from ecg.simulation.dataset import simulate_folder
from evaluate_model import evaluate_model
from tests.browser import in_browser, needs_browser
from tests.conftest import ROOT, run_script, write_recording

WEIGHTS = load_weights()
LAD = WEIGHTS.column["39732003"]
SECTIONS = ("score", "classes", "curves", "confusion", "groups", "worst")


def write_outputs(folder: Path, outputs: Path, right: float) -> None:
    """Outputs for ``folder`` that are the labels for so many of the recordings, and sinus rhythm for the others."""
    outputs.mkdir()
    random = np.random.default_rng(0)
    for header in find_headers(folder):
        truth = WEIGHTS.encode(read_header(header).diagnoses)
        said = truth if random.random() < right else np.arange(24) == WEIGHTS.normal
        scores = np.clip(0.8 * said + 0.1 + 0.1 * random.random(24), 0, 1)
        text = format_outputs(header.stem, WEIGHTS.classes, said.astype(int), scores)
        (outputs / f"{header.stem}.csv").write_text(text)


class Text(HTMLParser):
    """The text of a page, and what it would fetch. (An assertion on the page itself would print megabytes.)"""

    def __init__(self, content: str):
        super().__init__()
        self.words, self.fetched, self.pictures = [], [], 0
        self.feed(content)
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attributes):
        addresses = [value for name, value in attributes if name in ("src", "href")]
        self.fetched += [value for value in addresses if not value.startswith("data:image/png;base64,")]
        self.pictures += len(addresses) if tag == "img" else 0

    def handle_data(self, data):
        self.words += data.split()


def report_of(labels: Path, outputs: Path, page: Path) -> Text:
    done = run_script("evaluate_model.py", labels, outputs, "--report", page)
    assert done.returncode == 0, done.stderr
    assert str(page) in done.stdout
    return Text(page.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report")
    simulate_folder(path / "data", 40, seed=5)
    write_recording(path / "data", "X<b>1", comments=("#Age: 47", "#Sex: Male", "#Dx: 164889003"))
    write_outputs(path / "data", path / "outputs", right=0.5)
    (path / "outputs/X<b>1.csv").write_text("#X\n426783006\n1\n0.9\n")
    report_of(path / "data", path / "outputs", path / "report.html")
    return path


@pytest.fixture(scope="module")
def page(folder) -> Path:
    return folder / "report.html"


def test_it_says_what_the_scorer_says(folder, page):
    scores, _ = evaluate_model(folder / "data", folder / "outputs")
    text = Text(page.read_text()).text
    for name, figure in scores.official().items():
        assert f"{name} {figure:.3f}" in text
    low, high = map(float, re.search(r"Challenge metric [\d.]+ ([\d.]+) to ([\d.]+)", text).groups())
    assert low < scores.challenge_metric < high
    for name, sensitivity in (("AF", scores.sensitivity[WEIGHTS.column["164889003"]]),):
        assert re.search(rf"\b{name} \d+ \d+ {sensitivity:.3f}", text)


def test_it_is_one_file_that_fetches_nothing(page):
    content = page.read_text()
    assert set(Text(content).fetched) == {f"#{section}" for section in SECTIONS}
    assert not re.findall(r"url\(|@import|fetch\(|XMLHttp", content)


def test_a_name_is_text_and_no_html(page):
    assert "X<b>1" in Text(page.read_text()).text


def test_the_worst_recordings_have_their_ecg(page):
    assert Text(page.read_text()).pictures == 12


def test_without_signals_and_with_malformed_outputs(golden, tmp_path):
    page = report_of(golden / "labels", golden / "outputs", tmp_path / "report.html")
    assert page.pictures == 0 and "9 malformed outputs count as negative" in page.text


def test_nothing_wrong(folder, tmp_path):
    write_outputs(folder / "data", tmp_path / "outputs", right=1)
    page = report_of(folder / "data", tmp_path / "outputs", tmp_path / "report.html")
    assert "no recording loses anything" in page.text


@pytest.mark.parametrize(
    "odd",
    [
        {"comments": ("#Age: 3", "#Dx: 164889003,$\\frac$,$x_$")},  # no mathematics
        {"rate": "500Hz"},  # the scorer reads the diagnoses all the same
        {"comments": ("#Dx: 426783006",)},  # sinus rhythm alone: the metric has no scale
    ],
)
@pytest.mark.parametrize("score", ["0.9", "-3.5", "inf"])
def test_one_odd_recording(tmp_path, odd, score):
    write_recording(tmp_path / "data", "A1", **odd)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/A1.csv").write_text(f"#A1\n426783006,39732003\n1,1\n{score},{score}\n")
    page = report_of(tmp_path / "data", tmp_path / "outputs", tmp_path / "report.html")
    assert "Challenge metric" in page.text and "99999" not in page.text


def test_what_a_confusion_costs():
    """AF was put out in the place of LAD once; what is labelled and put out together is no confusion."""
    labels, outputs = np.zeros((2, 2, 24), bool)
    af = WEIGHTS.column["164889003"]
    labels[:, LAD] = outputs[0, [af, LAD]] = labels[0, af] = outputs[1, af] = True
    judged = Evaluation((), labels, outputs, outputs.astype(float), ())
    found = {(cell["row"], cell["column"]): cell for cell in confusions(judged, WEIGHTS)}
    gain = challenge_metric(WEIGHTS, labels, labels) - challenge_metric(WEIGHTS, labels, outputs)
    assert found[LAD, af]["confused"] == 1 and found[LAD, af]["cost"] == pytest.approx(gain)
    assert found[af, LAD]["confused"] == 0 and found[af, LAD]["cost"] == 0


def test_a_curve_keeps_its_shape_with_few_points():
    random = np.random.default_rng(0)
    label = random.random(40_000) < 0.0025
    tp, fp = curve(label, random.normal(size=40_000) + 4 * label)
    across, along = tp[1:] / tp[-1], tp[1:] / (tp + fp)[1:]
    x, y = np.array(thinned(across, along)).T
    assert len(x) <= 121
    assert np.trapezoid(y, x) == pytest.approx(np.trapezoid(along, across), abs=0.01)


def test_what_costs_most_is_what_mending_it_would_gain(folder):
    _, judged = evaluate_model(folder / "data", folder / "outputs")
    first = costs(judged, WEIGHTS, WEIGHTS.classes)[0]
    k = WEIGHTS.classes.index(first["name"])
    mended = judged.outputs.copy()
    mended[judged.labels[:, k] == (first["kind"] == "missed"), k] = first["kind"] == "missed"
    gain = challenge_metric(WEIGHTS, judged.labels, mended) - challenge_metric(WEIGHTS, judged.labels, judged.outputs)
    assert first["cost"] == pytest.approx(gain) and gain > 0


def test_what_is_not_installed_is_named(folder, tmp_path):
    (tmp_path / "jinja2.py").write_text("raise ModuleNotFoundError(name='jinja2')")
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; sys.argv[0] = 'evaluate_model.py'\n"
    program += "import runpy; runpy.run_module('evaluate_model', run_name='__main__')"
    (tmp_path / "program.py").write_text(program)
    done = run_script(tmp_path / "program.py", folder / "data", folder / "outputs", "--report", tmp_path / "page.html")
    assert done.returncode == 2 and "jinja2" in done.stderr and "requirements-report.txt" in done.stderr
    assert "Challenge metric" in done.stdout  # the figures are there all the same


@needs_browser
def test_every_section_is_seen(page, tmp_path):
    script = f"return {list(SECTIONS)}.map((id) => document.getElementById(id).getBoundingClientRect().height > 0)"
    assert in_browser(page, script, tmp_path) == [True] * len(SECTIONS)


@needs_browser
def test_it_sorts_by_a_column_and_back(page, tmp_path):
    script = """
      const table = document.getElementById("class-table"), button = table.querySelectorAll("thead button")[7];
      const column = () => [...table.tBodies[0].rows].map((row) => row.cells[7].textContent);
      button.click(); const down = column(); button.click(); return [down, column()];
    """
    down, up = in_browser(page, script, tmp_path)
    numbers = [[float(cell) for cell in cells if cell != "-"] for cells in (down, up)]
    assert numbers[0] == sorted(numbers[0], reverse=True) and numbers[1] == sorted(numbers[1])
    assert all(cells[len(part) :] == ["-"] * (len(cells) - len(part)) for cells, part in zip((down, up), numbers))


@needs_browser
def test_it_filters(page, tmp_path):
    script = """
      const field = document.querySelector("[data-filters=class-table]");
      const seen = () => [...document.querySelectorAll("#class-table tbody tr")]
        .filter((row) => row.offsetHeight).map((row) => row.cells[0].textContent);
      const type = (words) => { field.value = words; field.dispatchEvent(new Event("input")); };
      type("bbb"); const some = seen(); type(""); return [some, seen().length];
    """
    some, all_ = in_browser(page, script, tmp_path)
    assert some == ["CRBBB", "IRBBB", "LBBB"] and all_ == 24


@needs_browser
@pytest.mark.parametrize("width", (390, 1200))
def test_it_fits_a_phone(page, tmp_path, width):
    script = "return [document.documentElement.scrollWidth, innerWidth]"
    needed, there = in_browser(page, script, tmp_path, (width, 800))
    assert needed <= there
