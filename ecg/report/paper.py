"""A recording on ECG paper: 12 leads in three rows of four and a rhythm strip, 25 mm/s and 10 mm/mV.

One count is drawn as 1 uV, as in the network's input (see ``ecg.data.preprocessing``). The median of each lead is
subtracted. No filter is applied.
"""

import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ecg.classes import abbreviation
from ecg.data.header import Header
from ecg.data.lead_names import LEADS
from ecg.data.preprocessing import bridge_gaps, fill_limb_leads
from ecg.data.record import INVALID, Record
from ecg.errors import printable
from ecg.files import write_whole

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
TITLE_HEIGHT = 8.0  # mm
PULSE = (2.0, 5.0, 3.0)  # mm before, of and after the calibration pulse of 1 mV
WIDTH = sum(PULSE) + len(COLUMNS) * COLUMN_SECONDS * MM_PER_SECOND + 2 * MARGIN  # mm
HEIGHT = ROWS * ROW_HEIGHT + 2 * MARGIN  # mm, without the title

LONGEST_TITLE = 75  # characters

PAPER, FINE_GRID, BOLD_GRID, INK, GREY = "#fffafa", "#f9d6d6", "#ee9f9f", "#1a1a1a", "#777777"


def draw_ecg(record: Record, title: str = "", start: float = 0.0, shade: np.ndarray | None = None) -> Figure:
    """Draw a recording on ECG paper; printed at 100 %, it is to scale.

    The columns follow each other in time, as on a recorder's paper. If the recording is too short for that, a lead
    starts as late as it can still show 2.5 s. A missing limb lead is computed from the others where that is possible,
    as for the networks, and marked "computed"; any other missing lead is marked "missing".

    Parameters
    ----------
    record : Record
    title : str
    start : float
        Where the page begins, in s.
    shade : ndarray, optional
        float (12, samples of ``record``), 0 to 1: the strength of a colour behind the leads.

    Returns
    -------
    Figure
    """
    page_height = HEIGHT + TITLE_HEIGHT
    figure = Figure(figsize=(WIDTH * INCHES_PER_MM, page_height * INCHES_PER_MM), facecolor="white")
    axes = figure.add_axes((0, 0, 1, HEIGHT / page_height))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), facecolor=PAPER, xticks=[], yticks=[])
    axes.spines[:].set_color(BOLD_GRID)
    _draw_grid(axes)
    length = record.counts.shape[1] / record.header.rate
    if not record.mask.all():
        computed = fill_limb_leads(bridge_gaps(record.counts))
        record = replace(record, counts=np.where(record.mask[:, np.newaxis], record.counts, computed))
    for lead, row, left, begin, seconds in _layout(length, start):
        _draw_lead(axes, record, lead, (left, _baseline(row)), (begin, seconds), shade)
    for row in range(ROWS):
        _draw_pulse(axes, _baseline(row))
    differs = any(signal.gain != COUNTS_PER_MV for signal in record.header.signals)
    unit = "1 count = 1 µV" + (" (the header says otherwise)" if differs else "")
    scale = f"{MM_PER_SECOND:g} mm/s   {MM_PER_MV:g} mm/mV   {unit}   {record.header.rate:g} Hz   {length:.1f} s"
    if start:
        scale += f"   from {start:g} s"
    left, right, y = MARGIN / WIDTH, 1 - MARGIN / WIDTH, 1 - MARGIN / page_height
    figure.text(left, y, title, size=9, color=INK, va="center", weight="bold", parse_math=False)
    figure.text(right, y, scale, size=7, color=GREY, va="center", ha="right")
    return figure


def record_title(header: Header) -> str:
    """The recording's name, age, sex and diagnoses in one line."""
    age = "age unknown" if header.age is None else f"{header.age:g} years"
    diagnoses = ", ".join(map(abbreviation, header.diagnoses))
    parts = (header.name, f"{age}, {header.sex or 'sex unknown'}", diagnoses)
    return shorten(printable(" · ".join(filter(None, parts))), LONGEST_TITLE)


def save_figure(figure: Figure, path: Path) -> None:
    """Save ``figure`` in the format that the name of ``path`` ends in."""
    write_whole(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=200))


def data_url(figure: Figure) -> str:
    """``figure`` as a PNG in a data URL, for a page in a single file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


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


def _draw_lead(
    axes: Axes,
    record: Record,
    lead: str,
    position: tuple[float, float],
    shown: tuple[float, float],
    shade: np.ndarray | None,
) -> None:
    """Draw ``lead`` at ``position`` (left edge and baseline, in mm), ``shown`` from a second on for so many seconds."""
    index, rate = LEADS.index(lead), record.header.rate
    (left, baseline), (begin, seconds) = position, shown
    first, last = round(begin * rate), round((begin + seconds) * rate)
    box = {"facecolor": PAPER, "alpha": 0.8, "edgecolor": "none", "pad": 1}  # keeps the name legible on a tall wave
    name = axes.text(left + 1, baseline + 11, lead, size=8, color=INK, weight="bold", bbox=box, zorder=3)
    if not record.mask[index]:
        computed = record.counts[index].any()
        state, offset = "computed" if computed else "missing", (3, 0)  # points to the right of the name
        axes.annotate(
            state, (1, 0), offset, name, "offset points", va="bottom", size=7, color=GREY, style="italic", zorder=3
        )
        if not computed:
            return
    counts = np.where(record.counts[index] == INVALID, np.nan, record.counts[index].astype(float))
    part = counts[first:last]
    if not np.isfinite(part).any():
        return
    x = left + np.arange(len(part)) / rate * MM_PER_SECOND
    y = baseline + MM_PER_MV * (part - np.nanmedian(counts)) / COUNTS_PER_MV
    axes.plot(x, y, color=INK, linewidth=0.7, solid_joinstyle="round")
    axes.plot([left, left], [baseline - 2, baseline + 2], color=INK, linewidth=0.5)  # the mark where the lead begins
    if shade is not None:
        strength = shade[np.newaxis, index, first:last]
        extent = (x[0], x[-1], baseline - ROW_HEIGHT / 2, baseline + ROW_HEIGHT / 2)
        axes.imshow(strength, extent=extent, aspect="auto", cmap="Blues", vmin=0, vmax=1.2, alpha=strength, zorder=1)
