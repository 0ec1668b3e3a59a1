"""evaluate_model.py --report: the page has the scorer's figures, is a single file, sorts and filters."""

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
from ecg.report.evaluation import confusion_cells, error_costs, thin_curve
from ecg.simulation.dataset import simulate_folder
from evaluate_model import evaluate_model
from tests.browser import in_browser, needs_browser
from tests.conftest import ROOT, run_script, write_recording

WEIGHTS = load_weights()
LAD = WEIGHTS.column["39732003"]
SECTIONS = ("score", "classes", "curves", "confusion", "groups", "worst")


def write_outputs(folder: Path, outputs: Path, correct: float) -> None:
    """Write outputs for ``folder``: the labels for the part ``correct`` of the recordings, else sinus rhythm."""
    outputs.mkdir()
    random = np.random.default_rng(0)
    for header in find_headers(folder):
        labels = WEIGHTS.encode(read_header(header).diagnoses)
        predicted = labels if random.random() < correct else np.arange(24) == WEIGHTS.normal
        scores = np.clip(0.8 * predicted + 0.1 + 0.1 * random.random(24), 0, 1)
        text = format_outputs(header.stem, WEIGHTS.classes, predicted.astype(int).tolist(), scores.tolist())
        (outputs / f"{header.stem}.csv").write_text(text)


class Page(HTMLParser):
    """A page's text, addresses and number of pictures. (A failed assertion on the HTML would print megabytes.)"""

    def __init__(self, content: str):
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.pictures = 0
        self.feed(content)
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attributes):
        addresses = [value for name, value in attributes if name in ("src", "href")]
        self.addresses += [value for value in addresses if not value.startswith("data:image/png;base64,")]
        self.pictures += len(addresses) if tag == "img" else 0

    def handle_data(self, data):
        self.words += data.split()


def write_report(labels: Path, outputs: Path, page: Path) -> Page:
    done = run_script("evaluate_model.py", labels, outputs, "--report", page)
    assert done.returncode == 0, done.stderr
    assert str(page) in done.stdout
    return Page(page.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report")
    simulate_folder(path / "data", 40, seed=5)
    write_recording(path / "data", "X<b>1", comments=("#Age: 47", "#Sex: Male", "#Dx: 164889003"))
    write_outputs(path / "data", path / "outputs", correct=0.5)
    (path / "outputs/X<b>1.csv").write_text("#X\n426783006\n1\n0.9\n")
    write_report(path / "data", path / "outputs", path / "report.html")
    return path


@pytest.fixture(scope="module")
def page(folder) -> Path:
    return folder / "report.html"


def test_the_page_has_the_scorers_figures(folder, page):
    scores, _ = evaluate_model(folder / "data", folder / "outputs")
    text = Page(page.read_text()).text
    for name, figure in scores.official().items():
        assert f"{name} {figure:.3f}" in text
    low, high = map(float, re.search(r"Challenge metric [\d.]+ ([\d.]+) to ([\d.]+)", text).groups())
    assert low < scores.challenge_metric < high
    sensitivity = scores.sensitivity[WEIGHTS.column["164889003"]]
    assert re.search(rf"\bAF \d+ \d+ {sensitivity:.3f}", text)


def test_the_page_is_one_file_and_fetches_nothing(page):
    content = page.read_text()
    assert set(Page(content).addresses) == {f"#{section}" for section in SECTIONS}
    assert not re.findall(r"url\(|@import|fetch\(|XMLHttp", content)


def test_a_recordings_name_is_escaped(page):
    assert "X<b>1" in Page(page.read_text()).text


def test_the_twelve_worst_recordings_have_an_ecg(page):
    assert Page(page.read_text()).pictures == 12


def test_without_signals_and_with_malformed_outputs(golden, tmp_path):
    page = write_report(golden / "labels", golden / "outputs", tmp_path / "report.html")
    assert page.pictures == 0 and "9 malformed outputs count as negative" in page.text


def test_perfect_outputs(folder, tmp_path):
    write_outputs(folder / "data", tmp_path / "outputs", correct=1)
    page = write_report(folder / "data", tmp_path / "outputs", tmp_path / "report.html")
    assert "no recording loses anything" in page.text


@pytest.mark.parametrize(
    "header",
    [
        {"comments": ("#Age: 3", "#Dx: 164889003,$\\frac$,$x_$")},  # looks like a formula to matplotlib
        {"rate": "500Hz"},  # only the scorer can read this header
        {"comments": ("#Dx: 426783006",)},  # sinus rhythm alone: the metric is not defined
    ],
)
@pytest.mark.parametrize("score", ["0.9", "-3.5", "inf"])
def test_an_unusual_recording(tmp_path, header, score):
    write_recording(tmp_path / "data", "A1", **header)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/A1.csv").write_text(f"#A1\n426783006,39732003\n1,1\n{score},{score}\n")
    page = write_report(tmp_path / "data", tmp_path / "outputs", tmp_path / "report.html")
    assert "Challenge metric" in page.text and "99999" not in page.text


def test_the_cost_of_a_confusion():
    """AF was predicted instead of LAD once. The recording with both as labels and as outputs is no confusion."""
    labels, outputs = np.zeros((2, 2, 24), bool)
    af = WEIGHTS.column["164889003"]
    labels[:, LAD] = outputs[0, [af, LAD]] = labels[0, af] = outputs[1, af] = True
    evaluation = Evaluation((), labels, outputs, outputs.astype(float), ())
    cells = {(cell.row, cell.column): cell for cell in confusion_cells(evaluation, WEIGHTS)}
    gain = challenge_metric(WEIGHTS, labels, labels) - challenge_metric(WEIGHTS, labels, outputs)
    assert cells[LAD, af].confused == 1 and cells[LAD, af].cost == pytest.approx(gain)
    assert cells[af, LAD].confused == 0 and cells[af, LAD].cost == 0


def test_a_thinned_curve_keeps_its_area():
    random = np.random.default_rng(0)
    label = random.random(40_000) < 0.0025
    tp, fp = curve(label, random.normal(size=40_000) + 4 * label)
    sensitivity, precision = tp[1:] / tp[-1], tp[1:] / (tp + fp)[1:]
    x, y = np.array(thin_curve(sensitivity, precision)).T
    assert len(x) <= 121
    assert np.trapezoid(y, x) == pytest.approx(np.trapezoid(precision, sensitivity), abs=0.01)


def test_the_cost_of_an_error_is_the_gain_of_its_correction(folder):
    _, evaluation = evaluate_model(folder / "data", folder / "outputs")
    first = error_costs(evaluation, WEIGHTS, WEIGHTS.classes)[0]
    k, missed = WEIGHTS.classes.index(first.name), first.kind == "false negative"
    labels, corrected = evaluation.labels, evaluation.outputs.copy()
    corrected[labels[:, k] == missed, k] = missed
    gain = challenge_metric(WEIGHTS, labels, corrected) - challenge_metric(WEIGHTS, labels, evaluation.outputs)
    assert first.cost == pytest.approx(gain) and gain > 0


def test_a_missing_package_is_named(folder, tmp_path):
    (tmp_path / "jinja2.py").write_text("raise ModuleNotFoundError(name='jinja2')")
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; sys.argv[0] = 'evaluate_model.py'\n"
    program += "import runpy; runpy.run_module('evaluate_model', run_name='__main__')"
    (tmp_path / "program.py").write_text(program)
    done = run_script(tmp_path / "program.py", folder / "data", folder / "outputs", "--report", tmp_path / "page.html")
    assert done.returncode == 2 and "jinja2" in done.stderr and "requirements-report.txt" in done.stderr
    assert "Challenge metric" in done.stdout  # printed before the report


@needs_browser
def test_every_section_is_visible(page, tmp_path):
    script = f"return {list(SECTIONS)}.map((id) => document.getElementById(id).getBoundingClientRect().height > 0)"
    assert in_browser(page, script, tmp_path) == [True] * len(SECTIONS)


@needs_browser
def test_a_table_sorts_in_both_directions(page, tmp_path):
    script = """
      const table = document.getElementById("class-table"), button = table.querySelectorAll("thead button")[7];
      const column = () => [...table.tBodies[0].rows].map((row) => row.cells[7].textContent);
      button.click(); const descending = column(); button.click(); return [descending, column()];
    """
    descending, ascending = in_browser(page, script, tmp_path)
    for cells, reverse in ((descending, True), (ascending, False)):
        numbers = [float(cell) for cell in cells if cell != "-"]
        assert numbers == sorted(numbers, reverse=reverse)
        assert cells[len(numbers) :] == ["-"] * (len(cells) - len(numbers))  # undefined values come last


@needs_browser
def test_a_table_filters(page, tmp_path):
    script = """
      const input = document.querySelector("[data-filters=class-table]");
      const visible = () => [...document.querySelectorAll("#class-table tbody tr")]
        .filter((row) => row.offsetHeight).map((row) => row.cells[0].textContent);
      const type = (words) => { input.value = words; input.dispatchEvent(new Event("input")); };
      type("bbb"); const filtered = visible(); type(""); return [filtered, visible().length];
    """
    filtered, unfiltered = in_browser(page, script, tmp_path)
    assert filtered == ["CRBBB", "IRBBB", "LBBB"] and unfiltered == 24


@needs_browser
@pytest.mark.parametrize("width", (390, 1200))
def test_the_page_fits_the_window(page, tmp_path, width):
    script = "return [document.documentElement.scrollWidth, innerWidth]"
    page_width, window_width = in_browser(page, script, tmp_path, (width, 800))
    assert page_width <= window_width
