"""evaluate_model.py --report: the page has the scorer's figures, is a single file, sorts and filters."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ecg.classes import clinical_rank, full_name, load_weights
from ecg.data.header import read_header
from ecg.data.listing import find_recordings
from ecg.evaluation.metrics import challenge_metric, curve, mean
from ecg.evaluation.outputs import Evaluation, format_outputs
from ecg.evaluation.trivial import score_outputs
from ecg.report.evaluation import confusion_cells, error_costs, mean_proportion, thin_curve
from ecg.report.evaluation import write_report as write_page
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
    for header in find_recordings(folder):
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
    assert re.search(rf"atrial fibrillation AF rhythm \d+ \d+ {sensitivity:.3f} [\d.]+ to [\d.]+", text)
    for figure, values in (("Sensitivity", scores.sensitivity), ("Specificity", scores.specificity)):
        low, high = map(float, re.search(rf"{figure} {mean(values):.3f} ([\d.]+) to ([\d.]+)", text).groups())
        assert low <= mean(values) <= high


def test_the_page_is_one_file_and_fetches_nothing(page):
    content = page.read_text()
    assert set(Page(content).addresses) == {f"#{section}" for section in SECTIONS}
    assert not re.findall(r"url\(|@import|fetch\(|XMLHttp", content)


def test_the_classes_have_their_full_names_in_clinical_order(page):
    rows = page.read_text().split('id="class-table"')[1].split("</table>")[0].split("<tr")[2:]
    names = [re.search(r"<td[^>]*>([^<]+) <small", row).group(1) for row in rows]
    assert names == [full_name(code) for code in sorted(WEIGHTS.classes, key=clinical_rank)]


def test_rare_classes_are_grey(folder, page):
    rows = re.findall(r'<tr( class="few")?><td data-value="\d+" title="(\d+)">', page.read_text())
    labels = sum(
        WEIGHTS.encode(read_header(header).diagnoses).astype(int) for header in find_recordings(folder / "data")
    )
    assert {code for few, code in rows if few} == {code for code, n in zip(WEIGHTS.classes, labels) if n < 10}
    assert "Grey: fewer than 10 recordings have the class" in Page(page.read_text()).text


def test_every_svg_has_a_title_and_a_description(page):
    charts = re.findall(r"<svg.*?</svg>", page.read_text(), re.DOTALL)
    ids = []
    for chart in charts:
        title, description = re.search(r'role="img" aria-labelledby="(\S+) (\S+)"', chart).groups()
        assert f'<title id="{title}">' in chart and f'<desc id="{description}">' in chart
        ids += [title, description]
    assert len(charts) > 24 and len(set(ids)) == len(ids)


def test_the_confusion_matrix_has_numbers(page):
    chart = re.search(r'<svg class="heat".*?</svg>', page.read_text(), re.DOTALL).group()
    numbers = dict(re.findall(r">([<&lt;\d.]+)</text><title>(label .*?):", chart))
    assert numbers and all(re.fullmatch(r"&lt;0\.1|\d+(\.\d)?", number) for number in numbers)
    assert any("label atrial fibrillation, output" in title for title in numbers.values())


def test_the_leaderboard_is_shown_only_on_request(folder, page, tmp_path):
    assert not re.search("teams scored higher|hidden set", Page(page.read_text()).text)
    _, evaluation = evaluate_model(folder / "data", folder / "outputs")
    write_page(tmp_path / "report.html", evaluation, WEIGHTS, "data", "outputs", leaderboard=True)
    text = Page((tmp_path / "report.html").read_text()).text
    assert len(re.findall(r"\d+ of 41 teams scored higher [\d.]+ [\d.]+", text)) == 5
    assert "This is no rank. The hidden sets are not public" in text and not re.search(r"place \d", text)


def test_training_recordings_and_comparisons_are_named(folder, tmp_path):
    _, evaluation = evaluate_model(folder / "data", folder / "outputs")
    path, number = tmp_path / "report.html", len(evaluation.labels)
    known = np.arange(number) < 30
    write_page(path, replace(evaluation, trained_on=known), WEIGHTS, "data", "outputs")
    text = Page(path.read_text()).text
    others = score_outputs("", WEIGHTS, evaluation.labels[~known], evaluation.outputs[~known])
    assert f"30 of {number} recordings were in the model's training set." in text
    assert (
        f"The other {number - 30}: Challenge metric {others.metric:.3f} ({others.low:.3f} to {others.high:.3f})."
        in text
    )
    assert "sinus rhythm for every recording 0.000" in text and "every class for every recording" in text
    write_page(path, replace(evaluation, trained_on=np.full(number, True)), WEIGHTS, "data", "outputs")
    assert "training set. There are no others with a scored diagnosis." in Page(path.read_text()).text


def test_without_a_scored_label_the_page_says_so(tmp_path):
    write_recording(tmp_path / "data", "A1", comments=("#Dx: 12345",))
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/A1.csv").write_text("#A1\n426783006,39732003\n1,1\n0.9,0.9\n")
    page = write_report(tmp_path / "data", tmp_path / "outputs", tmp_path / "report.html")
    assert "No recording has a label of the 24 scored classes. The Challenge metric is 0 by convention" in page.text


def test_the_interval_of_a_mean_proportion_covers_it():
    """The means of 23 classes of 1 to 31 cases each, with a true proportion of 0.8."""
    random = np.random.default_rng(0)
    sizes = [31, 22, 16, 5, 2, 17, 6, 26, 6, 1, 7, 20, 1, 5, 4, 7, 3, 2, 9, 5, 2, 2, 2]
    cases = np.zeros((154, 23), bool)
    for k, size in enumerate(sizes):
        cases[random.choice(154, size, replace=False), k] = True
    estimates = [mean_proportion(cases & (random.random(cases.shape) < 0.8), cases) for _ in range(200)]
    assert 0.88 <= np.mean([estimate.low <= 0.8 <= estimate.high for estimate in estimates]) <= 0.99


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
    "headers",
    [
        [
            {"comments": ("#Age: 3", "#Dx: 164889003,$\\frac$,$x_$")},  # looks like a formula to matplotlib
            {"rate": "500Hz"},  # only the scorer can read this header
        ],
        [{"comments": ("#Dx: 426783006",)}],  # sinus rhythm alone: the metric is not defined
    ],
)
def test_unusual_recordings(tmp_path, headers):
    (tmp_path / "outputs").mkdir()
    for i, (header, score) in enumerate(product(headers, ("0.9", "-3.5", "inf"))):
        write_recording(tmp_path / "data", f"A{i}", **header)
        text = f"#A{i}\n426783006,39732003\n1,1\n{score},{score}\n"
        (tmp_path / f"outputs/A{i}.csv").write_text(text)
    page = write_report(tmp_path / "data", tmp_path / "outputs", tmp_path / "report.html")
    assert "Challenge metric" in page.text and "99999" not in page.text


def test_the_cost_of_a_confusion():
    """AF was predicted instead of LAD once. The recording with both as labels and as outputs is no confusion."""
    labels, outputs = np.zeros((2, 2, 24), bool)
    af = WEIGHTS.column["164889003"]
    labels[:, LAD] = outputs[0, [af, LAD]] = labels[0, af] = outputs[1, af] = True
    evaluation = Evaluation((), labels, outputs, outputs.astype(float), (), Counter(), np.zeros(len(labels), bool))
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
    first = error_costs(evaluation, WEIGHTS)[0]
    k, missed = WEIGHTS.classes.index(first.code), first.kind == "false negative"
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
    assert not done.stdout  # said before the work


@needs_browser
def test_every_section_is_visible(page, tmp_path):
    script = f"return {list(SECTIONS)}.map((id) => document.getElementById(id).getBoundingClientRect().height > 0)"
    assert in_browser(page, script, tmp_path) == [True] * len(SECTIONS)


@needs_browser
@pytest.mark.parametrize("column", (4, 8))  # sensitivity, whose cells have an interval, and AUROC
def test_a_table_sorts_in_both_directions(page, tmp_path, column):
    script = f"""
      const table = document.getElementById("class-table"), button = table.querySelectorAll("thead button")[{column}];
      const cells = () => [...table.tBodies[0].rows].map((row) => row.cells[{column}].firstChild.textContent);
      button.click(); const descending = cells(); button.click(); return [descending, cells()];
    """
    descending, ascending = in_browser(page, script, tmp_path)
    for cells, reverse in ((descending, True), (ascending, False)):
        numbers = [float(cell) for cell in cells if cell != "-"]
        assert numbers == sorted(numbers, reverse=reverse)
        assert cells[len(numbers) :] == ["-"] * (len(cells) - len(numbers))  # undefined values come last


@needs_browser
def test_a_table_and_the_cards_filter_by_full_name_and_abbreviation(page, tmp_path):
    script = """
      const visible = (selector, part) => [...document.querySelectorAll(selector)]
        .filter((item) => item.offsetHeight).map((item) => item.querySelector(part).textContent);
      const found = (words) => {
        for (const input of document.querySelectorAll("[data-filters=class-table], [data-filters=cards]")) {
          input.value = words; input.dispatchEvent(new Event("input"));
        }
        const groups = [...document.querySelectorAll(".group")].filter((item) => item.offsetHeight).length;
        return [visible("#class-table tbody tr", "small"), visible(".card", "small"), groups];
      };
      return Object.fromEntries(["block", "bbb", ""].map((words) => [words, found(words)]));
    """
    found = in_browser(page, script, tmp_path)
    rows, cards, groups = found["block"]
    assert rows == ["IAVB", "CRBBB", "IRBBB", "LBBB", "LAnFB"]
    assert cards and set(cards) <= set(rows) and groups == 1
    assert found["bbb"][0] == ["CRBBB", "IRBBB", "LBBB"]
    assert len(found[""][0]) == 24 and found[""][2] > 1


@needs_browser
def test_an_ecg_opens_in_full_size_within_the_page(page, tmp_path):
    script = """
      const button = document.querySelector(".ecg button.zoom");
      button.click();
      const dialog = document.querySelector("dialog"), open = dialog.open;
      const width = dialog.querySelector("img").clientWidth;
      dialog.querySelector("button").click();
      return [open, width, button.querySelector("img").clientWidth, dialog.open];
    """
    was_open, width, width_in_page, is_open = in_browser(page, script, tmp_path, (500, 800))
    assert was_open and width > 2 * width_in_page and not is_open


@needs_browser
def test_a_cell_of_the_confusion_matrix_is_explained_by_a_touch(page, tmp_path):
    script = """
      const cell = document.querySelector(".heat g");
      cell.dispatchEvent(new Event("click"));
      return document.getElementById("cell").textContent;
    """
    assert re.match(r"label sinus rhythm, output .*: [\d.]+, reward", in_browser(page, script, tmp_path))


@needs_browser
def test_wide_tables_scroll_in_their_own_box_with_a_hint(page, tmp_path):
    script = """
      const box = document.getElementById("class-table").parentElement;
      return [box.scrollWidth > box.clientWidth, getComputedStyle(box, "::before").content];
    """
    overflows, hint = in_browser(page, script, tmp_path, (500, 800))
    assert overflows and "scroll sideways" in hint


@needs_browser
@pytest.mark.parametrize("width", (390, 1200))
def test_the_page_fits_the_window(page, tmp_path, width):
    script = "return [document.documentElement.scrollWidth, innerWidth]"
    page_width, window_width = in_browser(page, script, tmp_path, (width, 800))
    assert page_width <= window_width
