"""The probabilities of the classes along a long recording, as one picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from ecg.classes import clinical_rank, full_name
from ecg.errors import printable
from ecg.report.paper import BLUE, GREY, INK, save_figure

MOST_COLUMNS = 1000  # of the picture; a longer recording shows the highest probability of several windows
WIDTH, ROW_HEIGHT, AROUND = 11.0, 0.5, 1.3  # inches; of the picture, of a class, of the title and the time together
STEPS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600)  # s between two ticks
MOST_TICKS = 13
PALE, GAP = "#b9c6da", "#e4e4e4"


def draw_timeline(
    path: Path,
    name: str,
    seconds: float,
    start: np.ndarray,
    end: np.ndarray,
    classes: Sequence[str],
    probabilities: np.ndarray,
    labels: np.ndarray,
    thresholds: np.ndarray | None,
) -> None:
    """Draw the probabilities of a recording's windows over time, a row for each class, dark where it has the label.

    Parameters
    ----------
    path : Path
        The picture.
    name : str
        The recording's name.
    seconds : float
        The recording's length.
    start, end : arrays (windows,)
        In s. A window is drawn from its start to that of the next one.
    classes : sequence of str
        Codes.
    probabilities, labels : arrays (windows, classes)
        A window with NaN is drawn as a gap.
    thresholds : array (classes,), optional
        The clinical ones, as dotted lines. One above 1 is not drawn.
    """
    together = -(-len(start) // MOST_COLUMNS)
    first = np.arange(0, len(start), together)
    edges = np.append(start[first], end[-1])
    highest = np.fmax.reduceat(probabilities, first, axis=0) if len(classes) else np.zeros((len(first), 0))
    labelled = np.logical_or.reduceat(labels, first, axis=0) if len(classes) else highest > 0
    rows = sorted(range(len(classes)), key=lambda k: clinical_rank(classes[k]))
    figure = Figure(figsize=(WIDTH, AROUND + ROW_HEIGHT * max(1, len(rows))), layout="constrained")
    figure.suptitle(_title(name, together, rows, thresholds is not None), size=10, x=0.01, ha="left", parse_math=False)
    all_axes = figure.subplots(max(1, len(rows)), 1, sharex=True, squeeze=False)[:, 0]
    for axes in all_axes:
        axes.set(xlim=(0, seconds), ylim=(0, 1), yticks=(), facecolor="white")
        axes.spines[:].set_color(PALE)
        for outside in ((0, edges[0]), (edges[-1], seconds)):
            axes.axvspan(*outside, color=GAP, linewidth=0)
    for axes, k in zip(all_axes, rows):
        _draw_class(axes, edges, highest[:, k], labelled[:, k])
        if thresholds is not None and thresholds[k] <= 1:
            axes.axhline(thresholds[k], color=GREY, linewidth=0.7, linestyle=":")
        axes.set_ylabel(full_name(classes[k]), rotation=0, ha="right", va="center", size=8.5, parse_math=False)
    _label_time(all_axes[-1], seconds)
    save_figure(figure, path)


def _title(name: str, together: int, rows: Sequence[int], dotted: bool) -> str:
    shown = "probability 0 to 1" if together == 1 else f"highest probability (0 to 1) of each {together} windows"
    parts = [shown, "dark: the window has this label", *["dotted: clinical threshold"] * dotted, "grey: no signal"]
    lines = [printable(name), "; ".join(parts)]
    if not rows:
        lines.append("no class has a label or reaches its threshold")
    return "\n".join(lines)


def _draw_class(axes: Axes, edges: np.ndarray, p: np.ndarray, labelled: np.ndarray) -> None:
    times, heights = np.repeat(edges, 2)[1:-1], np.repeat(p, 2)
    for chosen, colour in ((~labelled, PALE), (labelled, BLUE)):
        where = np.repeat(chosen & np.isfinite(p), 2)
        axes.fill_between(times, 0, heights, where=where, color=colour, linewidth=0)
    axes.fill_between(times, 0, 1, where=np.isnan(heights), color=GAP, linewidth=0)
    axes.plot(times, heights, color=INK, linewidth=0.4)


def _label_time(axes: Axes, seconds: float) -> None:
    """Write hours and minutes below ``axes``; seconds too if the recording is short."""
    step = next((step for step in STEPS if seconds / step <= MOST_TICKS), STEPS[-1])

    def text(at: float, _: int) -> str:
        minutes, rest = divmod(round(at), 60)
        return f"{minutes // 60}:{minutes % 60:02d}" + (f":{rest:02d}" if step < 60 else "")

    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(text))
    axes.tick_params(axis="x", labelsize=8.5)
    axes.set_xlabel("hours:minutes" + (":seconds" if step < 60 else "") + " from the start of the recording", size=8.5)
