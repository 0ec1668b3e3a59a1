"""The page of an explanation: the ECG with the relevance as shading, and tables by wave, by lead and by unit."""

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ecg.classes import abbreviation, full_name
from ecg.data.lead_names import LEADS
from ecg.data.record import Record
from ecg.explanation.counterfactual import NORMAL_HEARTS, WAVES
from ecg.explanation.summary import Explanation
from ecg.model.description import Description
from ecg.report.page import write_page
from ecg.report.paper import data_url, measures_line, record_title, shade_colours

SMOOTHING = 0.02  # s
DARKEST = 0.995  # the quantile of the relevance that has the darkest shade


def write_explanation(
    path: Path,
    record: Record,
    explanation: Explanation,
    labels: np.ndarray,
    probabilities: np.ndarray,
    description: Description,
) -> None:
    """Write the page of an explanation.

    Parameters
    ----------
    path : Path
        The page to write.
    record : Record
        The recording that is explained.
    explanation : Explanation
    labels, probabilities : ndarray
        The ensemble's prediction for ``record``, each (classes,).
    description : Description
        That of the ensemble.
    """
    classes, thresholds = description.classes, description.clinical_thresholds
    names = [(full_name(code), abbreviation(code)) for code in classes]
    shown = [k for k in np.argsort(-probabilities) if labels[k] or k == explanation.class_]
    shade = shading(explanation.relevance, record.header.rate)
    title = f"{record_title(record.header)}\n{measures_line(record)}"
    write_page(
        path,
        "explanation.html",
        explanation=explanation,
        class_name=full_name(classes[explanation.class_]),
        predicted=bool(labels[explanation.class_]),
        threshold=None if thresholds is None else thresholds[explanation.class_],
        adapted=description.adapted,
        record_name=record.header.name,
        picture=data_url(record, title, shade),
        shade_colours=shade_colours(),
        predictions=[(*names[k], probabilities[k], labels[k]) for k in shown],
        hearts=NORMAL_HEARTS,
        waves=list(zip(WAVES, explanation.wave_probabilities)),
        leads=list(zip(LEADS, explanation.lead_states, explanation.lead_shares, explanation.lead_probabilities)),
    )


def shading(relevance: np.ndarray, rate: float) -> np.ndarray:
    """The positive part of ``relevance`` (leads, samples) at ``rate`` Hz, smoothed and scaled to 0 to 1."""
    smooth = gaussian_filter1d(np.maximum(relevance, 0), max(SMOOTHING * rate, 0.5), axis=1)
    highest = np.quantile(smooth, DARKEST)
    return np.clip(smooth / highest, 0, 1) if highest > 0 else np.zeros_like(smooth)
