"""The report of an evaluation: a page with the metrics, curves, confusion matrix, subgroups and worst recordings."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from ecg import progress
from ecg.classes import Weights, abbreviation, clinical_rank, full_name, group_of
from ecg.data.header import Header, read_header
from ecg.data.record import read_record
from ecg.errors import RecordError
from ecg.evaluation import bootstrap
from ecg.evaluation.leaderboard import standings
from ecg.evaluation.metrics import Scores, curve, metric_parts, recording_rewards, reward_parts, score
from ecg.evaluation.outputs import Evaluation
from ecg.evaluation.trivial import ScoredOutputs, score_outputs, score_trivial_outputs
from ecg.report.page import write_page
from ecg.report.paper import data_url, record_title

CURVE_POINTS = 120  # at most; a small picture shows no more
ECGS = 12  # of the worst recordings, drawn
WORST_RECORDINGS = 300  # rows of their table
COSTLIEST_ERRORS = 15  # rows of their table
HIGHEST_SCORES = 3  # of a worst recording
FEWEST = 5  # recordings of a subgroup that is listed
FEW = 10  # a class that fewer recordings have is grey


class Estimate(NamedTuple):
    """A figure and its 95 % confidence interval; NaN if they are not defined."""

    value: float
    low: float
    high: float


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

    @property
    def text(self) -> str:
        """``amount`` in at most four characters."""
        if self.amount < 0.05:
            return "<0.1"
        if self.amount < 9.95:
            return f"{self.amount:.1f}"
        return f"{self.amount:.0f}" if self.amount < 9999.5 else f"{self.amount / 1000:.0f}k"


@dataclass(frozen=True)
class ErrorCost:
    """The cost of one kind of error in one class."""

    code: str
    kind: str  # "false negative" or "false positive"
    recordings: int
    cost: float  # what the Challenge metric would gain if these errors alone were corrected


def write_report(
    path: Path,
    evaluation: Evaluation,
    weights: Weights,
    data: str,
    outputs: str,
    leaderboard: bool = False,
) -> None:
    """Write the report of an evaluation.

    Parameters
    ----------
    path : Path
        The page to write.
    evaluation : Evaluation
    weights : Weights
        Its classes and their rewards.
    data, outputs : str
        The folders of the recordings and of the outputs, as the page names them.
    leaderboard : bool
        Show how many of the 41 ranked teams of 2020 scored higher on each hidden set.
    """
    evaluation, weights = _in_clinical_order(evaluation, weights)
    paths = evaluation.headers
    headers = [_read_header(header) for header in progress.bar(paths, len(paths), "headers", "recordings")]
    scores = score(weights, evaluation.labels, evaluation.outputs, evaluation.scores)
    proportions = _proportions(evaluation)
    metrics = _metrics(evaluation, headers, weights)
    only_normal = not metric_parts(weights, evaluation.labels, evaluation.outputs)[1].any()
    if only_normal:  # the Challenge metric is 0 by convention, also in every resample
        metrics["Challenge metric"] = Estimate(scores.challenge_metric, np.nan, np.nan)
    write_page(
        path,
        "evaluation.html",
        data=data,
        outputs=outputs,
        evaluation=evaluation,
        metrics=metrics,
        means={name: mean_proportion(hits, cases) for name, (hits, cases) in proportions.items()},
        defined={name: int(cases.any(axis=0).sum()) for name, (_, cases) in proportions.items()},
        only_normal=only_normal,
        standings=standings(scores.challenge_metric) if leaderboard else [],
        comparisons=score_trivial_outputs(weights, evaluation.labels),
        trained_on=int(evaluation.trained_on.sum()),
        others=_score_others(evaluation, weights),
        few=FEW,
        fewest=FEWEST,
        classes=list(_class_rows(evaluation, scores, proportions)),
        codes=weights.classes,
        full_name=full_name,
        abbreviation=abbreviation,
        group_of=group_of,
        confusion=confusion_cells(evaluation, weights),
        costliest=error_costs(evaluation, weights)[:COSTLIEST_ERRORS],
        groups=list(_group_rows(evaluation, headers, weights)),
        worst=list(_worst_rows(evaluation, headers, weights)),
    )


def _score_others(evaluation: Evaluation, weights: Weights) -> tuple[int, ScoredOutputs] | None:
    """The number and the score of the recordings that the model was not trained on; None if none has a label."""
    rows = ~evaluation.trained_on
    labels, outputs = evaluation.labels[rows], evaluation.outputs[rows]
    return (len(labels), score_outputs("others", weights, labels, outputs)) if labels.any() else None


def _in_clinical_order(evaluation: Evaluation, weights: Weights) -> tuple[Evaluation, Weights]:
    """The same with the classes in clinical order."""
    order = sorted(range(len(weights.classes)), key=lambda k: clinical_rank(weights.classes[k]))
    column = {code: order.index(k) for code, k in weights.column.items()}
    columns = {name: getattr(evaluation, name)[:, order] for name in ("labels", "outputs", "scores")}
    classes = tuple(weights.classes[k] for k in order)
    return replace(evaluation, **columns), Weights(classes, weights.matrix[np.ix_(order, order)], column)


def _read_header(path: str) -> Header:
    """Read the header. If it is damaged, its facts are unknown: the scorer needs only its diagnoses."""
    try:
        return read_header(path)
    except RecordError:
        return Header(Path(path).stem, np.nan, None, (), None, None, ())


def _metrics(evaluation: Evaluation, headers: Sequence[Header], weights: Weights) -> dict[str, Estimate]:
    """Each of ``bootstrap.FIGURES``."""
    predictions = bootstrap.Predictions(
        evaluation.labels, np.array([header.source for header in headers]), [(evaluation.outputs, evaluation.scores)]
    )
    values = bootstrap.figures(weights, predictions)
    resamples = bootstrap.bootstrap_figures(weights, [predictions])[:, 0]
    return {
        name: Estimate(value, *bootstrap.interval(value, resample))
        for name, value, resample in zip(bootstrap.FIGURES, values, resamples.T)
    }


def proportion(successes: int, trials: int) -> Estimate:
    """A proportion and its Wilson score interval.

    >>> [round(figure, 2) for figure in proportion(9, 10)]
    [0.9, 0.6, 0.98]
    """
    if not trials:
        return Estimate(np.nan, np.nan, np.nan)
    low, high = binomtest(successes, trials).proportion_ci(method="wilson")
    return Estimate(successes / trials, float(low), float(high))


def mean_proportion(hits: np.ndarray, cases: np.ndarray) -> Estimate:
    """The mean over the classes of the part of the ``cases`` that are ``hits``, each bool (recordings, classes).

    Classes without a case are left out. The interval comes from a bootstrap over the recordings, widened for classes
    with few cases.
    """
    sizes = cases.sum(axis=0)
    hits, cases, sizes = hits[:, sizes > 0], cases[:, sizes > 0], sizes[sizes > 0]
    if not sizes.size:
        return Estimate(np.nan, np.nan, np.nan)
    value = float((hits.sum(axis=0) / sizes).mean())
    if len(cases) == 1:
        return Estimate(value, np.nan, np.nan)
    resample_weights = np.random.default_rng(0).standard_exponential((bootstrap.RESAMPLES, len(cases)))
    resamples = ((resample_weights @ hits) / (resample_weights @ cases)).mean(axis=1)
    low, high = bootstrap.interval(value, bootstrap.widening_factor(sizes) * resamples)
    return Estimate(value, max(low, 0.0), min(high, 1.0))


def _proportions(evaluation: Evaluation) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The hits and the cases of each proportion, each bool (recordings, classes)."""
    labels, outputs = evaluation.labels, evaluation.outputs
    return {
        "sensitivity": (labels & outputs, labels),
        "specificity": (~labels & ~outputs, ~labels),
        "PPV": (labels & outputs, outputs),
    }


def _class_rows(
    evaluation: Evaluation, scores: Scores, proportions: dict[str, tuple[np.ndarray, np.ndarray]]
) -> Iterator[dict]:
    """The metrics and the curves of each class."""
    for k, code in enumerate(scores.classes):
        label, output, p = evaluation.labels[:, k], evaluation.outputs[:, k], evaluation.scores[:, k]
        tp, fp = curve(label, p)
        positives, negatives = max(label.sum(), 1), max((~label).sum(), 1)
        yield {
            "code": code,
            "labels": int(label.sum()),
            "outputs": int(output.sum()),
            **{
                name: proportion(int(hits[:, k].sum()), int(cases[:, k].sum()))
                for name, (hits, cases) in proportions.items()
            },
            "f_measure": scores.f_measure[k],
            "auroc": scores.auroc[k],
            "auprc": scores.auprc[k],
            "lowest_positive": p[output].min() if output.any() else np.nan,
            "roc": thin_curve(fp / negatives, tp / positives),
            "precision_recall": thin_curve(tp[1:] / positives, tp[1:] / (tp + fp)[1:]),
            "operating_point": ((~label & output).sum() / negatives, (label & output).sum() / positives),
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


def error_costs(evaluation: Evaluation, weights: Weights) -> list[ErrorCost]:
    """The cost of the false negatives and of the false positives of each class, the highest first."""
    missed, wrong = evaluation.labels & ~evaluation.outputs, ~evaluation.labels & evaluation.outputs
    full_score = _full_score(evaluation, weights)
    costs = []
    for k, code in enumerate(weights.classes):
        for kind, errors in (("false negative", missed[:, k]), ("false positive", wrong[:, k])):
            if errors.any():
                rows = np.flatnonzero(errors)
                corrected = evaluation.outputs[rows]
                corrected[:, k] ^= True
                cost = _gained_reward(evaluation, weights, rows, corrected) / full_score
                costs.append(ErrorCost(code, kind, len(rows), cost))
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
        for group in sorted(set(groups), key=_ascending):
            chosen = np.array(groups) == group
            if chosen.sum() < FEWEST:
                continue
            labels, outputs = evaluation.labels[chosen], evaluation.outputs[chosen]
            scores = score(weights, labels, outputs, evaluation.scores[chosen])
            gained, possible = metric_parts(weights, labels, outputs)
            official = scores.official()
            yield {
                "criterion": criterion,
                "group": group,
                "recordings": int(chosen.sum()),
                "metric": _metric_estimate(gained, possible),
                "auroc": official["AUROC"],
                "auprc": official["AUPRC"],
            }


def _ascending(group: str) -> tuple[float, str]:
    """The sort key of a subgroup: its first number, if it has one."""
    numbers = re.findall(r"[\d.]+", group)
    return float(numbers[0]) - group.startswith("below") if numbers else np.inf, group


def _range(value: float | None, edges: Sequence[float], unit: str) -> str:
    """The range between two ``edges`` that ``value`` is in, in words."""
    if value is None:
        return "unknown"
    for low, high in zip((0, *edges), edges):
        if value < high:
            return f"{low:g} to {high:g} {unit}" if low else f"below {high:g} {unit}"
    return f"{edges[-1]:g} {unit} or more"


def _metric_estimate(gained: np.ndarray, possible: np.ndarray) -> Estimate:
    """The Challenge metric; its interval comes from a bootstrap over the recordings."""
    if not possible.any():
        return Estimate(np.nan, np.nan, np.nan)
    return Estimate(float(gained.sum() / possible.sum()), *bootstrap.metric_interval(gained, possible))


def _worst_rows(evaluation: Evaluation, headers: Sequence[Header], weights: Weights) -> Iterator[dict]:
    """The recordings that lose most of the Challenge metric; the first ECGS rows have a picture."""
    gained, possible = metric_parts(weights, evaluation.labels, evaluation.outputs)
    lost = possible - gained
    order = np.argsort(-lost, kind="stable")[:WORST_RECORDINGS]
    order = order[lost[order] > 1e-9]
    for rank, row in enumerate(progress.bar(order, len(order), "worst", "recordings")):
        labels, outputs, p = evaluation.labels[row], evaluation.outputs[row], evaluation.scores[row]
        yield {
            "header": headers[row],
            "labels": [(weights.classes[k], outputs[k]) for k in np.flatnonzero(labels)],  # code, is it an output
            "outputs": [(weights.classes[k], labels[k]) for k in np.flatnonzero(outputs)],  # code, is it a label
            "highest_scores": [(weights.classes[k], p[k]) for k in np.argsort(-p, kind="stable")[:HIGHEST_SCORES]],
            "lost": lost[row],
            "picture": _picture(evaluation.headers[row], headers[row]) if rank < ECGS else None,
        }


def _picture(path: str, header: Header) -> str | None:
    """The ECG as a data URL; None if the signal cannot be read."""
    try:
        return data_url(read_record(path), record_title(header))
    except RecordError:
        return None
