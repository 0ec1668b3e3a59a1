"""The report of an evaluation: what a score is made of, for people who would rather look than read."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ecg import progress
from ecg.classes import Weights, abbreviation, load_weights
from ecg.data.header import Header, read_header
from ecg.data.record import read_record
from ecg.errors import RecordError
from ecg.evaluation import bootstrap
from ecg.evaluation.leaderboard import standings
from ecg.evaluation.metrics import Scores, confusion, curve, metric_parts, reward_parts, rewards, score
from ecg.evaluation.outputs import Evaluation
from ecg.report.page import write_page
from ecg.report.paper import as_address, draw_paper, record_title

POINTS = 120  # of a curve: more are not seen
DRAWN = 12  # of the worst recordings, each with its ECG
LISTED = 300  # of the worst recordings in the table
COSTLIEST = 15
FEWEST = 5  # recordings of a group that has figures of its own
OFFICIAL = bootstrap.FIGURES[1:]


def write_report(path: Path, judged: Evaluation, data: str, outputs: str) -> None:
    """Writes the page to ``path``; ``data`` and ``outputs`` name the folders in its title."""
    weights = load_weights()
    names = [abbreviation(code) for code in weights.classes]
    headers = [_header(file) for file in progress.bar(judged.headers, len(judged.headers), "headers", "recordings")]
    scores = score(weights, judged.labels, judged.outputs, judged.scores)
    answers = bootstrap.Predictions(
        judged.labels, np.array([one.source for one in headers]), [(judged.outputs, judged.scores)]
    )
    resamples = bootstrap.bootstrap_figures(weights, [answers])[:, 0]
    values = bootstrap.figures(weights, answers)
    figures = {
        name: {"value": value, "low": low, "high": high}
        for name, value, (low, high) in zip(bootstrap.FIGURES, values, map(bootstrap.interval, values, resamples.T))
    }
    write_page(
        path,
        "evaluation.html",
        data=data,
        outputs=outputs,
        recordings=len(headers),
        malformed=judged.malformed,
        figures=figures,
        official=OFFICIAL,
        standings=standings(scores.challenge_metric),
        classes=list(_classes(judged, scores, names)),
        confusion=confusions(judged, weights),
        costliest=costs(judged, weights, names)[:COSTLIEST],
        names=names,
        groups=list(_groups(judged, headers, weights)),
        worst=list(_worst(judged, headers, weights, names)),
        drawn=DRAWN,
    )


def _header(path: str) -> Header:
    """With nothing known where the scorer can read the diagnoses, and nobody the rest."""
    try:
        return read_header(path)
    except RecordError:
        return Header(Path(path).stem, np.nan, None, (), None, None, ())


def _classes(judged: Evaluation, scores: Scores, names: Sequence[str]) -> Iterator[dict]:
    """Of each class its figures and its curves."""
    counts = confusion(judged.labels, judged.outputs)
    for k, name in enumerate(names):
        label, output, p = judged.labels[:, k], judged.outputs[:, k], judged.scores[:, k]
        tp, fp = curve(label, p)
        positive, negative = max(label.sum(), 1), max((~label).sum(), 1)
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
            "threshold": p[output].min() if output.any() else np.nan,
            "roc": thinned(fp / negative, tp / positive),
            "precision_recall": thinned(tp[1:] / positive, precision),
            "operating": (counts.fp[k] / negative, counts.tp[k] / positive),
            "reliability": _bins(label, p),
        }


def thinned(across: np.ndarray, along: np.ndarray) -> list[tuple[float, float]]:
    """The curve's points at equal steps along it."""
    way = np.append(0, np.cumsum(np.abs(np.diff(across)) + np.abs(np.diff(along))))
    kept = np.unique(np.append(np.searchsorted(way, np.linspace(0, way[-1], POINTS)), len(way) - 1))
    return list(zip(across[kept].tolist(), along[kept].tolist()))


def _bins(label: np.ndarray, p: np.ndarray) -> list[dict]:
    counts, said, is_so = bootstrap.reliability(label, p)
    return [
        {"count": int(count), "said": x, "is_so": y, "radius": 1.5 + 3.5 * np.sqrt(count / counts.max())}
        for count, x, y in zip(counts, said, is_so)
        if count
    ]


def confusions(judged: Evaluation, weights: Weights) -> list[dict]:
    """The Challenge's own confusion: each recording's pairs of label and output, by the size of their union.

    What a confusion costs is what the metric would gain if, wherever class j was put out wrongly and class i missed, i
    were put out in its place.
    """
    amounts = reward_parts(judged.labels, judged.outputs)
    shades = np.sqrt(amounts / np.maximum(amounts.sum(axis=1, keepdims=True), 1e-9))
    missed, false = judged.labels & ~judged.outputs, ~judged.labels & judged.outputs
    possible = _possible(judged, weights)
    cells = []
    for i, j in np.argwhere(amounts):
        rows = np.flatnonzero(missed[:, i] & false[:, j])
        mended = judged.outputs[rows]
        mended[:, i], mended[:, j] = True, False
        cells.append(
            {"row": int(i), "column": int(j), "amount": amounts[i, j], "shade": shades[i, j]}
            | {
                "reward": weights.matrix[i, j],
                "confused": len(rows),
                "cost": _gain(judged, weights, rows, mended) / possible,
            }
        )
    return cells


def _gain(judged: Evaluation, weights: Weights, rows: np.ndarray, mended: np.ndarray) -> float:
    """What the recordings ``rows`` would earn more with the outputs ``mended``."""
    before, after = (
        rewards(weights.matrix, judged.labels[rows], outputs).sum() for outputs in (judged.outputs[rows], mended)
    )
    return float(after - before)


def _possible(judged: Evaluation, weights: Weights) -> float:
    """What is 1 of the metric: all that can be earned above sinus rhythm; NaN where that is nothing."""
    return float(metric_parts(weights, judged.labels, judged.outputs)[1].sum()) or np.nan


def costs(judged: Evaluation, weights: Weights, names: Sequence[str]) -> list[dict]:
    """What each class would add to the metric if it alone were right wherever it is missed or put out wrongly."""
    missed, false = judged.labels & ~judged.outputs, ~judged.labels & judged.outputs
    possible = _possible(judged, weights)
    rows = []
    for k, name in enumerate(names):
        for kind, wrong in (("missed", missed[:, k]), ("put out wrongly", false[:, k])):
            if wrong.any():
                here = np.flatnonzero(wrong)
                mended = judged.outputs[here]
                mended[:, k] ^= True
                rows.append(
                    {
                        "name": name,
                        "kind": kind,
                        "number": len(here),
                        "cost": _gain(judged, weights, here, mended) / possible,
                    }
                )
    return sorted(rows, key=lambda row: -row["cost"])


def _groups(judged: Evaluation, headers: Sequence[Header], weights: Weights) -> Iterator[dict]:
    """The figures of the recordings of one source, age, sex, length or sampling rate."""
    seconds = [one.samples and one.samples / one.rate for one in headers]
    by: dict[str, list[str]] = {
        "source": [one.source or "no letters" for one in headers],
        "age": [_band(one.age, (40, 60, 80), "years") for one in headers],
        "sex": [one.sex or "unknown" for one in headers],
        "length": [_band(one, (9.5, 10.5, 30), "s") for one in seconds],
        "sampling rate": ["unknown" if np.isnan(one.rate) else f"{one.rate:g} Hz" for one in headers],
    }
    for kind, values in by.items():
        of = np.array(values)
        for value in sorted(set(values)):
            here = of == value
            if here.sum() >= FEWEST:
                part = score(weights, judged.labels[here], judged.outputs[here], judged.scores[here])
                gained, possible = metric_parts(weights, judged.labels[here], judged.outputs[here])
                low, high = _interval(gained, possible)
                official = part.official()
                yield {
                    "kind": kind,
                    "value": value,
                    "number": int(here.sum()),
                    "metric": part.challenge_metric if possible.any() else np.nan,
                    "low": low,
                    "high": high,
                    "auroc": official["AUROC"],
                    "auprc": official["AUPRC"],
                }


def _band(value: float | None, edges: Sequence[float], unit: str) -> str:
    if value is None:
        return "unknown"
    for low, high in zip((0, *edges), edges):
        if value < high:
            return f"{low:g} to {high:g} {unit}" if low else f"below {high:g} {unit}"
    return f"{edges[-1]:g} {unit} and more"


def _interval(gained: np.ndarray, possible: np.ndarray) -> tuple[float, float]:
    """Of the Challenge metric, by a bootstrap over the recordings."""
    if not possible.any():
        return np.nan, np.nan
    resample_weights = np.random.default_rng(0).standard_exponential((bootstrap.RESAMPLES, len(gained)))
    resamples = (resample_weights @ gained) / (resample_weights @ possible)
    return bootstrap.interval(gained.sum() / possible.sum(), resamples)


def _worst(judged: Evaluation, headers: Sequence[Header], weights: Weights, names: Sequence[str]) -> Iterator[dict]:
    """The recordings that lose most, the first of them with their ECG."""
    gained, possible = metric_parts(weights, judged.labels, judged.outputs)
    lost = possible - gained
    order = np.argsort(-lost, kind="stable")[:LISTED]
    order = order[lost[order] > 1e-9]
    for place, row in enumerate(progress.bar(order, len(order), "worst", "recordings")):
        header = headers[row]
        yield {
            "header": header,
            "labels": _named(judged.labels[row], names),
            "outputs": _named(judged.outputs[row], names),
            "surest": [(names[k], judged.scores[row, k]) for k in np.argsort(-judged.scores[row])[:4]],
            "lost": lost[row],
            "picture": _picture(judged.headers[row], header) if place < DRAWN else None,
        }


def _named(chosen: np.ndarray, names: Sequence[str]) -> str:
    return ", ".join(name for name, is_so in zip(names, chosen) if is_so) or "none"


def _picture(path: str, header: Header) -> str | None:
    """The ECG; None where its signal is not beside the header."""
    try:
        return as_address(draw_paper(read_record(path), record_title(header)))
    except RecordError:
        return None
