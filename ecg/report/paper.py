"""A recording on ECG paper: 12 leads in three rows of four and a rhythm strip, 25 mm/s and 10 mm/mV.

One count is drawn as 1 uV, as in the network's input (see ``ecg.data.preprocessing``). The median of each lead is
subtracted. No filter is applied.
"""

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from ecg.classes import FIRST, clinical_rank, full_name, load_weights
from ecg.data.header import Header
from ecg.data.lead_names import LEADS
from ecg.data.preprocessing import bridge_gaps, fill_limb_leads
from ecg.data.record import INVALID, Record
from ecg.errors import printable
from ecg.explanation.lead_states import lead_states
from ecg.files import write_whole
from ecg.report.measures import measure

MM_PER_SECOND = 25.0
MM_PER_MV = 10.0
COUNTS_PER_MV = 1000.0
INCHES_PER_MM = 1 / 25.4

COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
RHYTHM_LEAD = "II"
COLUMN_SECONDS = 2.5
ROWS = 4  # three of leads and the rhythm strip
ROW_HEIGHT = 30.0  # mm
MARGIN = 5.0  # mm
TITLE_HEIGHT, LINE_HEIGHT = 8.0, 4.5  # mm; of the title's first line, and of each other one
PULSE = (2.0, 5.0, 3.0)  # mm before, of and after the calibration pulse of 1 mV
WIDTH = sum(PULSE) + len(COLUMNS) * COLUMN_SECONDS * MM_PER_SECOND + 2 * MARGIN  # mm
HEIGHT = ROWS * ROW_HEIGHT + 2 * MARGIN  # mm, without the title

LONGEST_LINES = 60, 165  # characters; of the title's first line, and of each other one
NAME_HEIGHTS = 11, 7, -9, -13  # mm from the baseline; a lead's name stands at the first where no trace is
LETTER_WIDTH, MARK_WIDTH, NAME_HEIGHT = 2.6, 12.0, 4.0  # mm; the space of a name and of the mark beside it
PAGE_DPI = 150

PAPER, FINE_GRID, BOLD_GRID, INK, GREY, BLUE = "#fffafa", "#f9d6d6", "#ee9f9f", "#1a1a1a", "#777777", "#24508f"
SHADE_MAP, LARGEST_SHADE = "Blues", 1.2  # the colour map of the relevance, and the value of its darkest colour


def draw_ecg(
    record: Record, title: str = "", start: float = 0.0, shade: np.ndarray | None = None, scale_text: bool = True
) -> Figure:
    """Draw a recording on ECG paper; printed at 100 %, it is to scale.

    The columns follow each other in time, as on a recorder's paper. If the recording is too short for that, a lead
    starts as late as it can still show 2.5 s. A missing limb lead is computed from the others where that is possible,
    as for the networks, and marked "computed"; any other missing lead is marked "missing". A lead whose samples are all
    equal or missing is marked "flat", a lead that leaves the page "cut off".

    Parameters
    ----------
    record : Record
    title : str
        One line or several.
    start : float
        Where the page begins, in s.
    shade : ndarray, optional
        float (12, samples of ``record``), 0 to 1: the strength of a colour behind the leads.
    scale_text : bool
        False: the picture does not say "25 mm/s 10 mm/mV", because it is shown at another size.

    Returns
    -------
    Figure
    """
    first_line, *other_lines = title.split("\n")
    page_height = HEIGHT + TITLE_HEIGHT + LINE_HEIGHT * len(other_lines)
    figure = Figure(figsize=(WIDTH * INCHES_PER_MM, page_height * INCHES_PER_MM), facecolor="white")
    axes = figure.add_axes((0, 0, 1, HEIGHT / page_height))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), facecolor=PAPER, xticks=[], yticks=[])
    axes.spines[:].set_color(BOLD_GRID)
    _draw_grid(axes)
    _draw_leads(axes, record, start, shade, page_height)
    for row in range(ROWS):
        _draw_pulse(axes, _baseline(row))
    left, right, top = MARGIN / WIDTH, 1 - MARGIN / WIDTH, page_height - MARGIN
    style: dict[str, Any] = {"color": INK, "va": "center", "parse_math": False}
    figure.text(left, top / page_height, first_line, size=9, weight="bold", **style)
    for number, line in enumerate(other_lines, 1):
        figure.text(left, (top - number * LINE_HEIGHT) / page_height, line, size=7.5, **style)
    facts = _facts(record, start, scale_text)
    figure.text(right, top / page_height, facts, size=7, color=GREY, va="center", ha="right")
    return figure


def _facts(record: Record, start: float, scale_text: bool) -> str:
    """The scale, the unit, the sampling rate and the seconds shown."""
    rate = record.header.rate
    length = record.counts.shape[1] / rate
    end = min(start + len(COLUMNS) * COLUMN_SECONDS, length)
    differs = any(signal.gain != COUNTS_PER_MV for signal in record.header.signals)
    facts = [f"{MM_PER_SECOND:g} mm/s", f"{MM_PER_MV:g} mm/mV"] if scale_text else []
    facts.append("1 count = 1 µV" + (" (the header says otherwise)" if differs else ""))
    facts += [f"{rate:g} Hz", f"{start:.1f} to {end:.1f} s of {length:.1f} s"]
    return "   ".join(facts)


def record_title(header: Header) -> str:
    """Two lines: the recording's name, age and sex; its diagnoses.

    An equivalent code counts as its class. A code that the Challenge does not score is shown as "not scored".
    """
    age = "age unknown" if header.age is None else f"{header.age:g} years"
    lines = [f"{header.name} · {age}, {header.sex or 'sex unknown'}"]
    column = load_weights().column
    codes = dict.fromkeys(FIRST.get(code, code) for code in header.diagnoses)
    scored = sorted((code for code in codes if code in column), key=clinical_rank)
    not_scored = [full_name(code) for code in codes if code not in column]
    diagnoses = [full_name(code) for code in scored] + ["not scored: " + ", ".join(not_scored)] * bool(not_scored)
    if diagnoses:
        lines.append("Labels in the header: " + "; ".join(diagnoses))
    return "\n".join(shorten(printable(line), longest) for line, longest in zip(lines, LONGEST_LINES))


def measures_line(record: Record) -> str:
    """The measures of ``record`` in one line, with "not measurable" for those that do not hold."""
    measures = measure(record)

    def text(name: str, value: float | None, unit: str) -> str:
        return f"{name} not measurable" if value is None else f"{name} {value:.0f}{unit}"

    qtc = "" if measures.qtc is None else f", QTc {measures.qtc:.0f} ms (Bazett)"
    parts = [text("rate", measures.rate, "/min"), text("PR", measures.pr, " ms"), text("QRS", measures.qrs, " ms")]
    parts += [text("QT", measures.qt, " ms") + qtc, text("axis", measures.axis, "°")]
    return "Measured by program: " + " · ".join(parts)


def save_figure(figure: Figure, path: Path) -> None:
    """Save ``figure`` in the format that the name of ``path`` ends in."""
    write_whole(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=200))


def data_url(record: Record, title: str, shade: np.ndarray | None = None) -> str:
    """``record`` on ECG paper as a PNG in a data URL, for a page in a single file.

    The page's style sheet prints it to scale. On a screen it is not to scale, so the picture itself names no scale.
    """
    content = io.BytesIO()
    draw_ecg(record, title, shade=shade, scale_text=False).savefig(content, format="png", dpi=PAGE_DPI)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def shade_colours() -> list[str]:
    """The colours of the shading on paper, for a legend: from the strength 0 to 1."""
    strengths = np.linspace(0, 1, 9)[:, np.newaxis]
    blues = colormaps[SHADE_MAP](strengths[:, 0] / LARGEST_SHADE)[:, :3]
    return [to_hex(colour) for colour in strengths * blues + (1 - strengths) * np.array(to_rgb(PAPER))]


def _layout(length: float, start: float) -> Iterator[tuple[str, int, float, float, float]]:
    """Yield each lead's name, row, left edge in mm, first second and number of seconds."""
    latest = max(length - COLUMN_SECONDS, 0.0)
    for column, leads in enumerate(COLUMNS):
        left = sum(PULSE) + column * COLUMN_SECONDS * MM_PER_SECOND
        for row, lead in enumerate(leads):
            yield lead, row, left, min(start + column * COLUMN_SECONDS, latest), COLUMN_SECONDS
    yield RHYTHM_LEAD, ROWS - 1, sum(PULSE), start, len(COLUMNS) * COLUMN_SECONDS


def _baseline(row: int) -> float:
    """The height of the row's 0 mV above the lower edge, in mm."""
    return HEIGHT - MARGIN - ROW_HEIGHT * (row + 0.5)


def _draw_grid(axes: Axes) -> None:
    for step, colour, width in ((1, FINE_GRID, 0.35), (5, BOLD_GRID, 0.5)):
        vertical = [[(x, 0), (x, HEIGHT)] for x in np.arange(0, WIDTH + step, step)]
        horizontal = [[(0, y), (WIDTH, y)] for y in np.arange(0, HEIGHT + step, step)]
        axes.add_collection(LineCollection(vertical + horizontal, colors=colour, linewidths=width, zorder=0))


def _draw_pulse(axes: Axes, baseline: float) -> None:
    before, width, after = PULSE
    x = np.cumsum([0, before, 0, width, 0, after])
    axes.plot(x, baseline + MM_PER_MV * np.array([0, 0, 1, 1, 0, 0]), color=INK, linewidth=0.7)


def _draw_leads(axes: Axes, record: Record, start: float, shade: np.ndarray | None, page_height: float) -> None:
    """Draw all leads with their names. The names stand beside the traces if there is room, and behind them if not."""
    rate, states = record.header.rate, lead_states(record)
    computed = fill_limb_leads(bridge_gaps(record.counts))
    counts = np.where(record.mask[:, np.newaxis], record.counts, computed).astype(float)
    counts[record.mask[:, np.newaxis] & (record.counts == INVALID)] = np.nan
    names, traces = [], []
    for lead, row, left, begin, seconds in _layout(counts.shape[1] / rate, start):
        index, baseline, marks = LEADS.index(lead), _baseline(row), []
        if states[index] != "recorded":
            marks.append(states[index].split(",")[0])
        first, last = round(begin * rate), round((begin + seconds) * rate)
        part = counts[index, first:last]
        if states[index] != "missing" and np.isfinite(part).any():
            x = left + np.arange(len(part)) / rate * MM_PER_SECOND
            y = baseline + MM_PER_MV * (part - np.nanmedian(counts[index])) / COUNTS_PER_MV
            traces.append((x, y))
            axes.plot(x, y, color=INK, linewidth=0.7, solid_joinstyle="round", clip_on=False)
            axes.plot([left, left], [baseline - 2, baseline + 2], color=INK, linewidth=0.5)  # where the lead begins
            if np.nanmin(y) < 0 or np.nanmax(y) > page_height:
                marks.append("cut off")
            if shade is not None:
                strength = shade[np.newaxis, index, first:last]
                extent = (x[0], x[-1], baseline - ROW_HEIGHT / 2, baseline + ROW_HEIGHT / 2)
                colours: dict[str, Any] = {"cmap": SHADE_MAP, "vmin": 0, "vmax": LARGEST_SHADE, "zorder": 1}
                axes.imshow(strength, extent=extent, aspect="auto", alpha=strength, **colours)
        names.append((lead, ", ".join(marks), left + 1, baseline))
    style: dict[str, Any] = {"size": 7, "color": GREY, "style": "italic", "zorder": 1.5, "va": "bottom"}
    for lead, mark, left, baseline in names:
        sides = left, left + LETTER_WIDTH * len(lead) + MARK_WIDTH * bool(mark)
        heights = {height: _overlap(traces, sides, baseline + height) for height in NAME_HEIGHTS}
        bottom = baseline + min(heights, key=heights.__getitem__)
        name = axes.text(left, bottom, lead, size=8, color=BLUE, weight="bold", zorder=1.5)
        if mark:
            axes.annotate(mark, (1, 0), (3, 0), name, "offset points", **style)


def _overlap(traces: Sequence[tuple[np.ndarray, np.ndarray]], sides: tuple[float, float], bottom: float) -> float:
    """The length (mm) of the part of ``traces`` in the space of a name between ``sides`` above ``bottom`` (mm)."""
    overlap = 0.0
    for x, y in traces:
        inside = (x[1:] > sides[0] - 1) & (x[1:] < sides[1])
        low, high = np.minimum(y[:-1], y[1:]), np.maximum(y[:-1], y[1:])
        covered = np.minimum(high, bottom + NAME_HEIGHT) - np.maximum(low, bottom - 1) + np.diff(x)
        overlap += np.nansum(np.maximum(covered, 0)[inside])
    return overlap
