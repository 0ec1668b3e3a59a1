"""The reliability plot: predicted probabilities against observed frequencies."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ecg.evaluation.bootstrap import Predictions, reliability
from ecg.report.paper import save_figure

FEWEST = 20  # recordings of a class that has a curve of its own; a bin of that curve needs more than these
CLASS_LABEL = f"a class with {FEWEST} recordings or more"


def draw_reliability(path: Path, predictions: Mapping[str, Predictions]) -> None:
    """Draw a reliability diagram for each of the ``predictions``, under its name; well calibrated is the diagonal.

    A point stands for a bin of recordings: their mean probability, and the part of them that has the class.
    """
    figure = Figure(figsize=(4.5 * len(predictions), 4.8), layout="constrained")
    all_axes = figure.subplots(1, len(predictions), squeeze=False)[0]
    for axes, (name, prediction) in zip(all_axes, predictions.items()):
        labels = np.concatenate([prediction.labels] * len(prediction.runs))
        scores = np.concatenate([scores for _, scores in prediction.runs])
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="perfect calibration")
        for label, score in zip(labels.T, scores.T):
            if label.sum() >= FEWEST:
                counts, predicted, observed = reliability(label, score)
                many = counts > FEWEST
                axes.plot(predicted[many], observed[many], label=CLASS_LABEL, color="C0", alpha=0.3, linewidth=1)
        counts, predicted, observed = reliability(labels.ravel(), scores.ravel())
        axes.plot(predicted[counts > 0], observed[counts > 0], "o-", color="C0", label="all classes together")
        axes.set(title=name, xlabel="predicted probability", ylabel="observed frequency", xlim=(0, 1), ylim=(0, 1))
    lines = {label: line for line, label in zip(*axes.get_legend_handles_labels())}
    figure.legend(
        lines.values(),
        lines,
        loc="outside lower center",
        ncols=min(2 * len(predictions) - 1, len(lines)),
        frameon=False,
        fontsize="small",
    )
    save_figure(figure, path)
