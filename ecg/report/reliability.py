"""How far probabilities can be believed, as a picture."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ecg.evaluation.bootstrap import Predictions, reliability
from ecg.report.paper import save_picture

MANY = 20  # recordings with a class, or in a bin of its probabilities, that are enough to draw
THIN = f"a class with {MANY} recordings or more"


def draw_reliability(path: Path, answers: Mapping[str, Predictions]) -> None:
    """Of the recordings given a probability, the part that had the class; on the diagonal it is right."""
    figure = Figure(figsize=(4.5 * len(answers), 4.8), layout="constrained")
    for axes, (name, one) in zip(figure.subplots(1, len(answers), squeeze=False)[0], answers.items()):
        labels = np.concatenate([one.labels] * len(one.runs))
        scores = np.concatenate([scores for _, scores in one.runs])
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="where they would be right")
        for label, score in zip(labels.T, scores.T):
            if label.sum() >= MANY:
                counts, said, is_so = reliability(label, score)
                axes.plot(said[counts > MANY], is_so[counts > MANY], label=THIN, color="C0", alpha=0.3, linewidth=1)
        counts, said, is_so = reliability(labels.ravel(), scores.ravel())
        axes.plot(said[counts > 0], is_so[counts > 0], "o-", color="C0", label="all classes together")
        axes.set(title=name, xlabel="probability given", ylabel="part that has the class", xlim=(0, 1), ylim=(0, 1))
    drawn = {label: line for line, label in zip(*axes.get_legend_handles_labels())}
    figure.legend(
        drawn.values(),
        drawn,
        loc="outside lower center",
        ncols=min(2 * len(answers) - 1, len(drawn)),
        frameon=False,
        fontsize="small",
    )
    save_picture(figure, path)
