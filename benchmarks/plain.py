"""The plain ways: each stage as Challenge entries have it, in the least code that does the work.

They are what the fast ones are measured against and held equal to. Nothing of the project is used but its network.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat
from torch.nn import functional

from ecg.model.network import SEResNet

RATE, WINDOW = 257, 4096

# ------------------------------------------------------------------------------------------------ reading a recording


def read(header: Path) -> tuple[np.ndarray, np.ndarray]:
    """Counts (12, samples) as the network sees them, and age and sex (5,): decoded and resampled at every call."""
    lines = header.read_text().splitlines()
    rate = float(lines[0].split()[2])
    facts = dict(line[1:].split(": ", 1) for line in lines if line.startswith("#"))
    counts = loadmat(header.with_suffix(".mat"))["val"].astype(np.float64)
    times = np.arange(round(counts.shape[1] * RATE / rate)) / RATE
    counts = np.stack([np.interp(times, np.arange(counts.shape[1]) / rate, lead) for lead in counts])
    age, sex = float(facts["Age"]), facts["Sex"]
    people = (0, 0) if np.isnan(age) else (age / 100, 1)
    return np.rint(counts), np.array([*people, sex == "Female", sex == "Male", sex in ("Female", "Male")])


def device_of(network: SEResNet) -> torch.device:
    return next(network.parameters()).device


def tensors(counts: np.ndarray, people: np.ndarray, left: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    padded = np.zeros((12, WINDOW), np.float32)
    padded[:, left : left + counts.shape[1]] = counts
    return torch.from_numpy(padded), torch.from_numpy(people.astype(np.float32))


# ---------------------------------------------------------------------------------------------- training and running


def train(network: SEResNet, headers: list[Path], labels: np.ndarray, batch: int = 64) -> None:
    """One epoch in float32: every file decoded and resampled, every window padded to 4096 samples."""
    optimiser = torch.optim.Adam(network.parameters(), lr=0.003, weight_decay=1e-5)
    network.train()
    for start in range(0, len(headers), batch):
        recordings = [read(header) for header in headers[start : start + batch]]
        lefts = [np.random.randint(WINDOW - counts.shape[1] + 1) for counts, _ in recordings]
        inputs = zip(*(tensors(*recording, left) for recording, left in zip(recordings, lefts)))
        inputs = [torch.stack(part).to(device_of(network)) for part in inputs]
        truth = torch.from_numpy(labels[start : start + batch]).float().to(device_of(network))
        loss = functional.binary_cross_entropy_with_logits(network(*inputs), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def run(networks: list[SEResNet], thresholds: np.ndarray, counts: np.ndarray, people: np.ndarray) -> tuple:
    """Labels and scores (classes,) of one recording of at most one window: each network in turn, then the vote."""
    with torch.no_grad():
        inputs = [tensor.unsqueeze(0).to(device_of(networks[0])) for tensor in tensors(counts, people)]
        p = np.array([torch.sigmoid(network(*inputs))[0].cpu().numpy() for network in networks], np.float64)
    votes = np.zeros(p.shape[1])
    for member, threshold in zip(p, thresholds):
        positive = member >= threshold
        positive[member.argmax()] = True
        votes += positive
    labels = votes >= len(p) / 2
    labels[(votes + p.mean(axis=0) / 2).argmax()] = True
    return labels, p.mean(axis=0)


def run_folder(networks: list[SEResNet], thresholds: np.ndarray, headers: list[Path], classes, folder: Path) -> None:
    """One recording after another, its output written before the next is read."""
    for header in headers:
        labels, scores = run(networks, thresholds, *read(header))
        rows = [f"#{header.stem}"], classes, labels.astype(int), scores
        (folder / f"{header.stem}.csv").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")


# ------------------------------------------------------------------------------------------------------- the scoring


def challenge_metric(matrix: np.ndarray, labels: np.ndarray, outputs: np.ndarray, normal: int) -> float:
    """The weighted accuracy by the official triple loop."""

    def earned(outputs: np.ndarray) -> float:
        confusion = np.zeros(matrix.shape)
        for label, output in zip(labels, outputs):
            share = max(float(np.sum(np.any((label, output), axis=0))), 1.0)
            for j in range(len(matrix)):
                if label[j]:
                    for k in range(len(matrix)):
                        if output[k]:
                            confusion[j, k] += 1 / share
        return np.nansum(matrix * confusion)

    inactive = np.zeros_like(labels)
    inactive[:, normal] = 1
    observed, correct, nothing = (earned(choice) for choice in (outputs, labels, inactive))
    return (observed - nothing) / (correct - nothing)


def apply_thresholds(p: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    labels = p >= thresholds
    labels[np.arange(len(p)), p.argmax(axis=1)] = True
    return labels


def grid_search(metric: Callable[[np.ndarray], float], p: np.ndarray) -> np.ndarray:
    """The published search, the metric of all recordings at every point; a class moves only where that is better."""
    common = np.arange(11) / 10
    thresholds = np.full(p.shape[1], max(common, key=lambda threshold: metric(apply_thresholds(p, threshold))))
    best = metric(apply_thresholds(p, thresholds))
    for k in range(p.shape[1]):
        points = [np.where(np.arange(p.shape[1]) == k, point, thresholds) for point in np.arange(101) / 100]
        metrics = [metric(apply_thresholds(p, point)) for point in points]
        if max(metrics) > best + 1e-9:
            best = max(metrics)
            thresholds = points[metrics.index(best)]
    return thresholds


def is_number(text: str) -> bool:
    try:
        float(text)
        return True
    except ValueError:
        return False


def confusion(labels: np.ndarray, outputs: np.ndarray, by_labels: bool) -> np.ndarray:
    """(classes, 4): true and false positives, false and true negatives, counted one by one."""
    counts = np.zeros((labels.shape[1], 4))
    for i in range(len(labels)):
        share = float(max(np.sum(labels[i]), 1)) if by_labels else 1.0
        for j in range(labels.shape[1]):
            counts[
                j,
                2 * (not outputs[i, j])
                + (labels[i, j] == outputs[i, j]) * (not outputs[i, j])
                + (not labels[i, j] and bool(outputs[i, j])),
            ] += 1 / share
    return counts


def areas(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """AUROC and AUPRC of one class, threshold by threshold."""
    order = np.argsort(scores)[::-1]
    i, tp, fp, points = 0, 0, 0, [(0, 0)]
    for threshold in np.unique(scores)[::-1]:
        while i < len(labels) and scores[order[i]] >= threshold:
            tp += bool(labels[order[i]])
            fp += not labels[order[i]]
            i += 1
        points.append((tp, fp))
    auroc = auprc = 0.0
    for (tp0, fp0), (tp1, fp1) in zip(points, points[1:]):
        auroc += 0.5 * (tp1 - tp0) / tp * ((1 - fp0 / fp) + (1 - fp1 / fp))
        auprc += (tp1 - tp0) / tp * tp1 / (tp1 + fp1)
    return auroc, auprc


def evaluate(label_folder: Path, output_folder: Path, weights_file: Path) -> dict[str, float]:
    """The official figures by loops over recordings, classes and thresholds."""
    rows = [line.split(",") for line in weights_file.read_text().split()]
    twins = {"59118001": "713427006", "63593006": "284470004", "17338001": "427172004"}
    keep = [i for i, code in enumerate(rows[0][1:]) if code not in twins]
    classes = [rows[0][1:][i] for i in keep]
    matrix = np.array([[float(rows[i + 1][j + 1]) for j in keep] for i in keep])
    names = sorted(name[:-4] for name in os.listdir(label_folder) if name.endswith(".hea"))
    labels, outputs = np.zeros((2, len(names), len(classes)), bool)
    scores = np.zeros((len(names), len(classes)))
    for i, name in enumerate(names):
        for line in (label_folder / f"{name}.hea").read_text().split("\n"):
            if line.startswith("#Dx"):
                for code in line.split(": ")[1].split(","):
                    code = twins.get(code.strip(), code.strip())
                    if code in classes:
                        labels[i, classes.index(code)] = True
        lines = [line.split(",") for line in (output_folder / f"{name}.csv").read_text().split("\n")[1:]]
        codes = [twins.get(code.strip(), code.strip()) for code in lines[0]]
        for j, code in enumerate(classes):
            cells = [cell for cell, named in enumerate(codes) if named == code]
            if cells:  # of codes that are one class any label, the mean of the scores; for every cell, as officially
                outputs[i, j] = np.any([lines[1][cell].strip() in ("1", "True", "true", "T", "t") for cell in cells])
                of_class = [float(lines[2][cell]) if is_number(lines[2][cell]) else 0 for cell in cells]
                scores[i, j] = np.nanmean(of_class) if np.any(np.isfinite(of_class)) else 0
    by_class = [areas(labels[:, k], scores[:, k]) for k in range(len(classes)) if labels[:, k].any()]
    auroc, auprc = np.mean(by_class, axis=0)
    accuracy = np.mean([all(labels[i] == outputs[i]) for i in range(len(names))])
    tp, fp, fn, _ = confusion(labels, outputs, by_labels=False).T
    tp2, fp2, fn2, _ = confusion(labels, outputs, by_labels=True).T
    return {
        "AUROC": auroc,
        "AUPRC": auprc,
        "Accuracy": accuracy,
        "F-measure": np.nanmean(2 * tp / (2 * tp + fp + fn)),
        "Fbeta-measure": np.nanmean(5 * tp2 / (5 * tp2 + fp2 + 4 * fn2)),
        "Gbeta-measure": np.nanmean(tp2 / (tp2 + fp2 + 2 * fn2)),
        "Challenge metric": challenge_metric(matrix, labels, outputs, classes.index("426783006")),
    }
