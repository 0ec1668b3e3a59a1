"""A recording as a clinician reads it: 12 leads on ECG paper, 25 mm/s and 10 mm/mV, with a rhythm strip.

One count is drawn as 1 uV, as the networks take it (see ``ecg.data.preprocessing``). From each lead its
median is taken, nothing else: no filter.
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
from ecg.data.preprocessing import bridge_gaps, fill_limb_leads
from ecg.data.record import INVALID, LEADS, Record
from ecg.errors import printable
from ecg.files import write_whole

SPEED = 25.0  # mm/s
GAIN = 10.0  # mm/mV
COUNTS = 1000.0  # a mV
MM = 1 / 25.4  # inches

COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
RHYTHM = "II"
SECONDS = 2.5  # of a lead; the rhythm strip is as long as the four columns
ROW = 30.0  # mm from row to row
PULSE = (2.0, 5.0, 3.0)  # mm before, of and after the calibration pulse of 1 mV
WIDTH = sum(PULSE) + len(COLUMNS) * SECONDS * SPEED + 10  # mm
HEIGHT = 4 * ROW + 10

LONGEST_TITLE = 75  # letters: there is room for no more

PAPER, FINE, BOLD, INK, FAINT = "#fffafa", "#f9d6d6", "#ee9f9f", "#1a1a1a", "#777777"


def draw_paper(record: Record, title: str = "", start: float = 0.0, relevance: np.ndarray | None = None) -> Figure:
    """``record`` from ``start`` seconds on, three rows of four leads and a rhythm strip; to scale where printed 1:1.

    The columns follow each other in time, as a recorder writes them; of a recording that is shorter than they are
    together each lead begins where it can still show 2.5 s. A lead that is missing is named so; a limb lead is then
    computed from the others, if it can be, as for the networks. ``relevance`` (12, samples), 0 to 1, is drawn as colour
    behind the leads.
    """
    figure = Figure(figsize=(WIDTH * MM, (HEIGHT + 8) * MM), facecolor="white")
    axes = figure.add_axes((0, 0, 1, HEIGHT / (HEIGHT + 8)))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), facecolor=PAPER, xticks=[], yticks=[])
    axes.spines[:].set_color(BOLD)
    _draw_grid(axes)
    length = record.counts.shape[1] / record.header.rate
    if not record.mask.all():
        computed = fill_limb_leads(bridge_gaps(record.counts))
        record = replace(record, counts=np.where(record.mask[:, np.newaxis], record.counts, computed))
    for lead, row, left, begin, seconds in _places(length, start):
        level = HEIGHT - 5 - ROW * (row + 0.5)
        _draw_lead(axes, record, lead, (left, level), (begin, seconds), relevance)
    for row in range(4):
        _draw_pulse(axes, HEIGHT - 5 - ROW * (row + 0.5))
    unit = "1 count = 1 µV"
    if any(signal.gain != COUNTS for signal in record.header.signals):
        unit += " (its header says otherwise)"
    scale = f"{SPEED:g} mm/s   {GAIN:g} mm/mV   {unit}   {record.header.rate:g} Hz   {length:.1f} s"
    shown = f"   from {start:g} s" if start else ""
    figure.text(5 / WIDTH, 1 - 5 / (HEIGHT + 8), title, size=9, color=INK, va="center", weight="bold", parse_math=False)
    figure.text(1 - 5 / WIDTH, 1 - 5 / (HEIGHT + 8), scale + shown, size=7, color=FAINT, va="center", ha="right")
    return figure


def record_title(header: Header) -> str:
    """Whose recording it is, and what its header says of it."""
    age = "age unknown" if header.age is None else f"{header.age:g} years"
    found = ", ".join(map(abbreviation, header.diagnoses))
    parts = (header.name, f"{age}, {header.sex or 'sex unknown'}", found)
    return shorten(printable(" · ".join(filter(None, parts))), LONGEST_TITLE)


def save_picture(figure: Figure, path: Path) -> None:
    write_whole(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=200))


def as_address(figure: Figure) -> str:
    """The picture itself as an address, for a page that is one file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _places(length: float, start: float) -> Iterator[tuple[str, int, float, float, float]]:
    """Of each lead on the page: its name, its row, its left edge in mm, and the seconds it shows: from, how many."""
    whole = len(COLUMNS) * SECONDS
    latest = max(length - SECONDS, 0.0)
    for column, leads in enumerate(COLUMNS):
        left = sum(PULSE) + column * SECONDS * SPEED
        for row, lead in enumerate(leads):
            yield lead, row, left, min(start + column * SECONDS, latest), SECONDS
    yield RHYTHM, 3, sum(PULSE), start, whole


def _draw_grid(axes: Axes) -> None:
    for step, colour, width in ((1, FINE, 0.35), (5, BOLD, 0.5)):
        across = [[(x, 0), (x, HEIGHT)] for x in np.arange(0, WIDTH + step, step)]
        along = [[(0, y), (WIDTH, y)] for y in np.arange(0, HEIGHT + step, step)]
        axes.add_collection(LineCollection(across + along, colors=colour, linewidths=width, zorder=0))


def _draw_pulse(axes: Axes, level: float) -> None:
    before, wide, after = PULSE
    x = np.cumsum([0, before, 0, wide, 0, after])
    axes.plot(x, level + GAIN * np.array([0, 0, 1, 1, 0, 0]), color=INK, linewidth=0.7)


def _draw_lead(
    axes: Axes,
    record: Record,
    lead: str,
    place: tuple[float, float],
    shown: tuple[float, float],
    relevance: np.ndarray | None,
) -> None:
    index, rate = LEADS.index(lead), record.header.rate
    (left, level), (begin, seconds) = place, shown
    first, last = round(begin * rate), round((begin + seconds) * rate)
    behind = {"facecolor": PAPER, "alpha": 0.8, "edgecolor": "none", "pad": 1}  # of a name that a tall wave would hide
    name = axes.text(left + 1, level + 11, lead, size=8, color=INK, weight="bold", bbox=behind, zorder=3)
    if not record.mask[index]:
        computed = record.counts[index].any()
        beside = {"xy": (1, 0), "xycoords": name, "xytext": (3, 0), "textcoords": "offset points", "va": "bottom"}
        axes.annotate("computed" if computed else "missing", size=7, color=FAINT, style="italic", zorder=3, **beside)
        if not computed:
            return
    counts = np.where(record.counts[index] == INVALID, np.nan, record.counts[index].astype(float))
    part = counts[first:last]
    if not np.isfinite(part).any():
        return
    x = left + np.arange(len(part)) / rate * SPEED
    y = level + GAIN * (part - np.nanmedian(counts)) / COUNTS
    axes.plot(x, y, color=INK, linewidth=0.7, solid_joinstyle="round")
    axes.plot([left, left], [level - 2, level + 2], color=INK, linewidth=0.5)  # where the lead begins
    if relevance is not None:
        shade = relevance[np.newaxis, index, first:last]
        extent = (x[0], x[-1], level - ROW / 2, level + ROW / 2)
        axes.imshow(shade, extent=extent, aspect="auto", cmap="Blues", vmin=0, vmax=1.2, alpha=shade, zorder=1)
