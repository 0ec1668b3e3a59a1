"""The report of an evaluation: a page with the metrics, curves, confusion matrix, groups and worst recordings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg import progress
from ecg.classes import Weights, abbreviation, load_weights
from ecg.data.header import Header, read_header
from ecg.data.record import read_record
from ecg.errors import RecordError
from ecg.evaluation import bootstrap
from ecg.evaluation.leaderboard import standings
from ecg.evaluation.metrics import Scores, confusion, curve, metric_parts, recording_rewards, reward_parts, score
from ecg.evaluation.outputs import Evaluation
from ecg.report.page import write_page
from ecg.report.paper import data_url, record_title

CURVE_POINTS = 120  # at most; a small picture shows no more
ECGS = 12  # of the worst recordings, drawn
WORST_RECORDINGS = 300  # rows of their table
COSTLIEST_ERRORS = 15  # rows of their table
FEWEST = 5  # recordings of a group that is listed


@dataclass(frozen=True)
class ConfusionCell:
    """A cell of the Challenge's confusion matrix."""

    row: int  # the label's class
    column: int  # the output's class
    amount: float
    shade: float  # 0 to 1
    reward: float
    confused: int  # recordings with the label missed and the output wrong
    cost: float  # what the Challenge metric would gain if these recordings had the label as output instead


@dataclass(frozen=True)
class ErrorCost:
    """The cost of one kind of error in one class."""

    name: str
    kind: str  # "false negative" or "false positive"
    recordings: int
    cost: float  # what the Challenge metric would gain if these errors alone were corrected


def write_report(path: Path, evaluation: Evaluation, data: str, outputs: str) -> None:
    """Write the report of an evaluation.

    Parameters
    ----------
    path : Path
        The page to write.
    evaluation : Evaluation
    data, outputs : str
        The folders of the recordings and of the outputs, as the page names them.
    """
    weights = load_weights()
    names = [abbreviation(code) for code in weights.classes]
    paths = evaluation.headers
    headers = [_read_header(header) for header in progress.bar(paths, len(paths), "headers", "recordings")]
    scores = score(weights, evaluation.labels, evaluation.outputs, evaluation.scores)
    write_page(
        path,
        "evaluation.html",
        data=data,
        outputs=outputs,
        evaluation=evaluation,
        metrics=_metrics(evaluation, headers, weights),
        standings=standings(scores.challenge_metric),
        classes=list(_class_rows(evaluation, scores, names)),
        confusion=confusion_cells(evaluation, weights),
        costliest=error_costs(evaluation, weights, names)[:COSTLIEST_ERRORS],
        names=names,
        groups=list(_group_rows(evaluation, headers, weights)),
        worst=list(_worst_rows(evaluation, headers, weights, names)),
    )


def _read_header(path: str) -> Header:
    """Read the header. If it is damaged, its facts are unknown: the scorer needs only its diagnoses."""
    try:
        return read_header(path)
    except RecordError:
        return Header(Path(path).stem, np.nan, None, (), None, None, ())


def _metrics(evaluation: Evaluation, headers: Sequence[Header], weights: Weights) -> dict[str, dict[str, float]]:
    """The value and the interval of each of ``bootstrap.FIGURES``."""
    predictions = bootstrap.Predictions(
        evaluation.labels, np.array([header.source for header in headers]), [(evaluation.outputs, evaluation.scores)]
    )
    values = bootstrap.figures(weights, predictions)
    resamples = bootstrap.bootstrap_figures(weights, [predictions])[:, 0]
    intervals = map(bootstrap.interval, values, resamples.T)
    return {
        name: {"value": value, "low": low, "high": high}
        for name, value, (low, high) in zip(bootstrap.FIGURES, values, intervals)
    }


def _class_rows(evaluation: Evaluation, scores: Scores, names: Sequence[str]) -> Iterator[dict]:
    """The metrics and the curves of each class."""
    counts = confusion(evaluation.labels, evaluation.outputs)
    for k, name in enumerate(names):
        label, output, p = evaluation.labels[:, k], evaluation.outputs[:, k], evaluation.scores[:, k]
        tp, fp = curve(label, p)
        positives, negatives = max(label.sum(), 1), max((~label).sum(), 1)
        precision = tp[1:] / (tp + fp)[1:]
        yield {
            "name": name,
            "code": scores.classes[k],
            "labels": int(label.sum()),
            "outputs": int(output.sum()),
            "sensitivity": scores.sensitivity[k],
            "specificity": scores.specificity[k],
            "ppv": counts.tp[k] / (counts.tp + counts.fp)[k] if output.any() else np.nan,
            "f_measure": scores.f_measure[k],
            "auroc": scores.auroc[k],
            "auprc": scores.auprc[k],
            "lowest_positive": p[output].min() if output.any() else np.nan,
            "roc": thin_curve(fp / negatives, tp / positives),
            "precision_recall": thin_curve(tp[1:] / positives, precision),
            "operating_point": (counts.fp[k] / negatives, counts.tp[k] / positives),
            "reliability": _reliability_bins(label, p),
        }


def thin_curve(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """At most CURVE_POINTS + 1 points of a curve, at equal distances along it.

    >>> thin_curve(np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 1.0]))
    [(0.0, 0.0), (0.5, 1.0), (1.0, 1.0)]
    """
    distance = np.append(0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    steps = np.linspace(0, distance[-1], CURVE_POINTS)
    kept = np.unique(np.append(np.searchsorted(distance, steps), len(distance) - 1))
    return list(zip(x[kept].tolist(), y[kept].tolist()))


def _reliability_bins(label: np.ndarray, p: np.ndarray) -> list[dict[str, float]]:
    counts, predicted, observed = bootstrap.reliability(label, p)
    radii = 1.5 + 3.5 * np.sqrt(counts / counts.max())
    return [
        {"count": int(count), "predicted": x, "observed": y, "radius": radius}
        for count, x, y, radius in zip(counts, predicted, observed, radii)
        if count
    ]


def confusion_cells(evaluation: Evaluation, weights: Weights) -> list[ConfusionCell]:
    """The cells of the Challenge's confusion matrix that are not zero (see ``ecg.evaluation.metrics.reward_parts``)."""
    amounts = reward_parts(evaluation.labels, evaluation.outputs)
    shades = np.sqrt(amounts / np.maximum(amounts.sum(axis=1, keepdims=True), 1e-9))
    missed, wrong = evaluation.labels & ~evaluation.outputs, ~evaluation.labels & evaluation.outputs
    full_score = _full_score(evaluation, weights)
    cells = []
    for i, j in np.argwhere(amounts):
        rows = np.flatnonzero(missed[:, i] & wrong[:, j])
        corrected = evaluation.outputs[rows]
        corrected[:, i], corrected[:, j] = True, False
        cost = _gained_reward(evaluation, weights, rows, corrected) / full_score
        cells.append(ConfusionCell(int(i), int(j), amounts[i, j], shades[i, j], weights.matrix[i, j], len(rows), cost))
    return cells


def _gained_reward(evaluation: Evaluation, weights: Weights, rows: np.ndarray, corrected: np.ndarray) -> float:
    """The reward that the recordings ``rows`` gain with the outputs ``corrected``."""
    labels = evaluation.labels[rows]
    before = recording_rewards(weights.matrix, labels, evaluation.outputs[rows]).sum()
    return float(recording_rewards(weights.matrix, labels, corrected).sum() - before)


def _full_score(evaluation: Evaluation, weights: Weights) -> float:
    """The reward that stands for 1 in the Challenge metric; NaN if it is 0."""
    return float(metric_parts(weights, evaluation.labels, evaluation.outputs)[1].sum()) or np.nan


def error_costs(evaluation: Evaluation, weights: Weights, names: Sequence[str]) -> list[ErrorCost]:
    """The cost of the false negatives and of the false positives of each class, the highest first."""
    missed, wrong = evaluation.labels & ~evaluation.outputs, ~evaluation.labels & evaluation.outputs
    full_score = _full_score(evaluation, weights)
    costs = []
    for k, name in enumerate(names):
        for kind, errors in (("false negative", missed[:, k]), ("false positive", wrong[:, k])):
            if errors.any():
                rows = np.flatnonzero(errors)
                corrected = evaluation.outputs[rows]
                corrected[:, k] ^= True
                cost = _gained_reward(evaluation, weights, rows, corrected) / full_score
                costs.append(ErrorCost(name, kind, len(rows), cost))
    return sorted(costs, key=lambda error: -error.cost)


def _group_rows(evaluation: Evaluation, headers: Sequence[Header], weights: Weights) -> Iterator[dict]:
    """The metrics of the recordings of each source, age, sex, length and sampling rate."""
    seconds = [header.samples and header.samples / header.rate for header in headers]
    criteria: dict[str, list[str]] = {
        "source": [header.source or "no letters" for header in headers],
        "age": [_range(header.age, (40, 60, 80), "years") for header in headers],
        "sex": [header.sex or "unknown" for header in headers],
        "length": [_range(length, (9.5, 10.5, 30), "s") for length in seconds],
        "sampling rate": ["unknown" if np.isnan(header.rate) else f"{header.rate:g} Hz" for header in headers],
    }
    for criterion, groups in criteria.items():
        for group in sorted(set(groups)):
            chosen = np.array(groups) == group
            if chosen.sum() < FEWEST:
                continue
            labels, outputs = evaluation.labels[chosen], evaluation.outputs[chosen]
            scores = score(weights, labels, outputs, evaluation.scores[chosen])
            gained, possible = metric_parts(weights, labels, outputs)
            low, high = _metric_interval(gained, possible)
            official = scores.official()
            yield {
                "criterion": criterion,
                "group": group,
                "recordings": int(chosen.sum()),
                "metric": scores.challenge_metric if possible.any() else np.nan,
                "low": low,
                "high": high,
                "auroc": official["AUROC"],
                "auprc": official["AUPRC"],
            }


def _range(value: float | None, edges: Sequence[float], unit: str) -> str:
    """The range between two ``edges`` that ``value`` is in, in words."""
    if value is None:
        return "unknown"
    for low, high in zip((0, *edges), edges):
        if value < high:
            return f"{low:g} to {high:g} {unit}" if low else f"below {high:g} {unit}"
    return f"{edges[-1]:g} {unit} or more"


def _metric_interval(gained: np.ndarray, possible: np.ndarray) -> tuple[float, float]:
    """The interval of the Challenge metric, by a bootstrap over the recordings."""
    if not possible.any():
        return np.nan, np.nan
    resample_weights = np.random.default_rng(0).standard_exponential((bootstrap.RESAMPLES, len(gained)))
    resamples = (resample_weights @ gained) / (resample_weights @ possible)
    return bootstrap.interval(gained.sum() / possible.sum(), resamples)


def _worst_rows(
    evaluation: Evaluation, headers: Sequence[Header], weights: Weights, names: Sequence[str]
) -> Iterator[dict]:
    """The recordings that lose most of the Challenge metric; the first ECGS rows have a picture."""
    gained, possible = metric_parts(weights, evaluation.labels, evaluation.outputs)
    lost = possible - gained
    order = np.argsort(-lost, kind="stable")[:WORST_RECORDINGS]
    order = order[lost[order] > 1e-9]
    for rank, row in enumerate(progress.bar(order, len(order), "worst", "recordings")):
        header, p = headers[row], evaluation.scores[row]
        yield {
            "header": header,
            "labels": _class_names(evaluation.labels[row], names),
            "outputs": _class_names(evaluation.outputs[row], names),
            "highest_scores": [(names[k], p[k]) for k in np.argsort(-p)[:4]],
            "lost": lost[row],
            "picture": _picture(evaluation.headers[row], header) if rank < ECGS else None,
        }


def _class_names(chosen: np.ndarray, names: Sequence[str]) -> str:
    return ", ".join(name for name, is_chosen in zip(names, chosen) if is_chosen) or "none"


def _picture(path: str, header: Header) -> str | None:
    """The ECG as a data URL; None if the signal cannot be read."""
    try:
        return data_url(read_record(path), record_title(header))
    except RecordError:
        return None
