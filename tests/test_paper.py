"""The ECG on paper: its scale, the layout of the leads, and unusual recordings."""

import re

import numpy as np
import pytest

from ecg.data.header import Header
from ecg.data.lead_names import LEADS
from ecg.data.record import INVALID, read_record
from ecg.report.booklet import write_booklet
from ecg.report.paper import draw_ecg, record_title
from tests.browser import in_browser, needs_browser, printed_widths
from tests.conftest import noise, run_script, write_recording

MM_PER_INCH = 25.4


def trace(figure, number: int) -> np.ndarray:
    """The points (2, samples) of the lead that was drawn as the ``number``th, in mm on the page."""
    axes = figure.axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) > 6]
    points = axes.transData.transform(np.column_stack(lines[number].get_data()))
    return points.T / figure.dpi * MM_PER_INCH


def test_a_second_is_25_mm_and_a_millivolt_is_10_mm(tmp_path):
    counts = np.zeros((12, 5000), np.int16)
    counts[:, 500:600] = 1000  # 1 mV for 0.2 s
    figure = draw_ecg(read_record(write_recording(tmp_path, "A1", counts)))
    x, y = trace(figure, 0)
    assert np.ptp(y) == pytest.approx(10, abs=0.01)
    assert x[500] - x[0] == pytest.approx(25, abs=0.01)
    pulse = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 6)
    assert np.ptp(pulse.get_ydata()) == 10


def test_the_columns_follow_each_other_in_time(tmp_path):
    counts = np.tile(np.arange(5000) // 2, (12, 1)).astype(np.int16)  # the height of a point shows its time
    figure = draw_ecg(read_record(write_recording(tmp_path, "A1", counts)))
    first_points = [trace(figure, number)[1][0] for number in (0, 3, 6, 9)]  # of the leads in the first row
    assert np.diff(first_points) == pytest.approx(6.25, abs=0.02)  # the counts rise by 625 uV in 2.5 s
    assert len(trace(figure, 12)[0]) == 5000  # the rhythm strip


@pytest.mark.parametrize(
    "samples, rate, leads", [(1, "500", LEADS), (300, "100", LEADS), (30_000, "1000", LEADS), (5000, "500", LEADS[:2])]
)
def test_any_recording_is_drawn(tmp_path, samples, rate, leads):
    counts = noise(samples, len(leads))
    counts[0, : samples // 2] = INVALID
    header = write_recording(tmp_path, "A1", counts, rate=rate, leads=leads)
    figure = draw_ecg(read_record(header))
    words = [text.get_text() for text in figure.axes[0].texts]
    computed = words.count("computed")
    assert words.count("missing") + computed == 12 - len(leads)
    assert computed == (4 if len(leads) == 2 else 0)
    assert set(LEADS) <= set(words)
    figure.canvas.draw()


@pytest.mark.parametrize("gain, differs", [("1000/mV", False), ("200/mV", True), ("1000.0(0)/mV", False)])
def test_a_header_with_another_gain_is_noted(tmp_path, gain, differs):
    figure = draw_ecg(read_record(write_recording(tmp_path, "A1", noise(5000), gain=gain)))
    assert any("header says otherwise" in text.get_text() for text in figure.texts) == differs


@pytest.mark.parametrize("kind, magic", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_plot_writes_each_format(tmp_path, kind, magic):
    write_recording(tmp_path, "A1", noise(5000))
    done = run_script("tools/plot.py", "A1.mat", f"ecg.{kind}", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"ecg.{kind}").read_bytes().startswith(magic)


def test_a_vector_picture_is_to_scale(tmp_path):
    write_recording(tmp_path, "A1", noise(5000))
    assert run_script("tools/plot.py", "A1.hea", "ecg.svg", folder=tmp_path).returncode == 0
    svg = (tmp_path / "ecg.svg").read_text()
    match = re.search(r'width="([\d.]+)pt"', svg)
    width = float(match.group(1)) / 72 * MM_PER_INCH
    assert width == pytest.approx(270, abs=0.1)  # 250 mm for 10 s, 20 mm for the pulse and the margins


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("A1", "ecg.gif"), "must end in .png"),
        (("A1", "--start", "10"), "lasts 10.0 s"),
        (("A2",), "A2.hea"),
        (("A1", "nowhere/ecg.png"), "cannot be written"),
    ],
)
def test_plot_reports_an_error_in_one_line(tmp_path, arguments, message):
    write_recording(tmp_path, "A1", noise(5000))
    done = run_script("tools/plot.py", *arguments, folder=tmp_path)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def lead_names(figure) -> dict[str, str]:
    """Each lead's mark ("flat", "missing" ...) beside its name, by the name; without the rhythm strip."""
    marks: dict[str, str] = {}
    texts = figure.axes[0].texts
    for text, after in zip(texts, [*texts[1:], None]):
        if text.get_text() in LEADS:
            mark = "" if after is None or after.get_text() in LEADS else after.get_text()
            marks.setdefault(text.get_text(), mark)
    return marks


def test_dead_leads_are_marked_flat(tmp_path):
    counts = noise(5000)
    counts[LEADS.index("aVL")], counts[LEADS.index("V2")], counts[LEADS.index("V5")] = 0, 77, INVALID
    marks = lead_names(draw_ecg(read_record(write_recording(tmp_path, "A1", counts))))
    assert {lead for lead, mark in marks.items() if mark == "flat"} == {"aVL", "V2", "V5"}
    assert set(marks.values()) == {"flat", ""}


def test_a_lead_that_leaves_the_page_is_marked(tmp_path):
    counts = np.zeros((12, 5000), np.int16)
    counts[:, ::2] = 100
    counts[LEADS.index("V4"), 4000:4010] = 9000
    assert lead_names(draw_ecg(read_record(write_recording(tmp_path, "A1", counts))))["V4"] == "cut off"


@pytest.mark.parametrize("height", [-2000, -1000, 1000, 1200, 2000])
def test_no_lead_name_hides_a_trace(tmp_path, height):
    counts = np.zeros((12, 5000), np.int16)
    counts[:, ::2] = 5
    for column in range(4):  # a tall wave where the names of the leads stand
        counts[:, 1250 * column + 20 : 1250 * column + 80] = height
    figure = draw_ecg(read_record(write_recording(tmp_path, "A1", counts)))
    figure.canvas.draw()
    axes = figure.axes[0]
    points = np.concatenate([axes.transData.transform(line.get_xydata()) for line in axes.lines])
    for text in axes.texts:
        assert text.get_bbox_patch() is None and text.zorder < min(line.zorder for line in axes.lines)
        assert not text.get_window_extent().count_contains(points)


def test_the_title_says_which_class_a_code_counts_as():
    codes = ("164930006", "17338001", "59118001", "713427006", "426783006", "733534002")
    header = Header("A1", 500.0, 5000, (), 60.0, "male", codes)
    facts, labels = record_title(header).split("\n")
    assert facts == "A1 · 60 years, male"
    assert labels == (
        "Labels in the header: sinus rhythm; premature ventricular contractions; complete right bundle branch block; "
        "not scored: 164930006, complete left bundle branch block"
    )


def test_the_picture_says_which_seconds_it_shows(tmp_path):
    record = read_record(write_recording(tmp_path, "A1", noise(9000)))
    assert "3.0 to 13.0 s of 18.0 s" in draw_ecg(record, start=3).texts[-1].get_text()
    assert "12.0 to 18.0 s of 18.0 s" in draw_ecg(record, start=12).texts[-1].get_text()


@needs_browser
def test_a_printed_page_is_to_scale_and_the_screen_says_that_it_is_not(tmp_path):
    record = read_record(write_recording(tmp_path, "A1", noise(5000)))
    write_booklet(tmp_path / "page.html", [record, record], ["AF"])
    assert printed_widths(tmp_path / "page.html", tmp_path) == pytest.approx([270, 270], abs=0.3)
    script = "return getComputedStyle(document.querySelector('.ecg'), '::after').content"
    assert "Not to scale on a screen" in in_browser(tmp_path / "page.html", script, tmp_path)
    words = [text.get_text() for text in draw_ecg(record, scale_text=False).texts]
    assert not any("mm/s" in word for word in words)
