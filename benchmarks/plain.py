"""A library for the benchmarks: a plain implementation of each stage, as Challenge entries have it, in little code.

The benchmarks compare the speed of the project with it, and tests compare the results. It uses nothing of the project
but the network.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat
from torch.nn import functional

from ecg.model.network import SEResNet

RATE, WINDOW = 257, 4096

# ------------------------------------------------------------------------------------------------ reading a recording


def read(header: Path) -> tuple[np.ndarray, np.ndarray]:
    """Decode and resample a recording: counts (12, samples) as the network sees them, and age and sex (5,)."""
    lines = header.read_text().splitlines()
    rate = float(lines[0].split()[2])
    facts = dict(line[1:].split(": ", 1) for line in lines if line.startswith("#"))
    counts = loadmat(header.with_suffix(".mat"))["val"].astype(np.float64)
    times = np.arange(round(counts.shape[1] * RATE / rate)) / RATE
    counts = np.stack([np.interp(times, np.arange(counts.shape[1]) / rate, lead) for lead in counts])
    age, sex = float(facts["Age"]), facts["Sex"]
    scaled_age = (0, 0) if np.isnan(age) else (age / 100, 1)
    return np.rint(counts), np.array([*scaled_age, sex == "Female", sex == "Male", sex in ("Female", "Male")])


def device_of(network: SEResNet) -> torch.device:
    return next(network.parameters()).device


def tensors(counts: np.ndarray, demographics: np.ndarray, offset: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """The network's input: a window with zeros around the counts, which begin at ``offset``; and age and sex."""
    padded = np.zeros((12, WINDOW), np.float32)
    padded[:, offset : offset + counts.shape[1]] = counts
    return torch.from_numpy(padded), torch.from_numpy(demographics.astype(np.float32))


# ---------------------------------------------------------------------------------------------- training and running


def train(network: SEResNet, headers: list[Path], labels: np.ndarray, batch: int = 64) -> None:
    """Train one epoch in float32. Every file is decoded and resampled, every window padded to 4096 samples."""
    optimiser = torch.optim.Adam(network.parameters(), lr=0.003, weight_decay=1e-5)
    network.train()
    for start in range(0, len(headers), batch):
        recordings = [read(header) for header in headers[start : start + batch]]
        offsets = [np.random.randint(WINDOW - counts.shape[1] + 1) for counts, _ in recordings]
        windows = [tensors(*recording, offset) for recording, offset in zip(recordings, offsets)]
        inputs = [torch.stack(part).to(device_of(network)) for part in zip(*windows)]
        targets = torch.from_numpy(labels[start : start + batch]).float().to(device_of(network))
        loss = functional.binary_cross_entropy_with_logits(network(*inputs), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def run(
    networks: list[SEResNet], thresholds: np.ndarray, counts: np.ndarray, demographics: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The labels and scores (classes,) of a recording of at most one window: run each network, then vote."""
    with torch.no_grad():
        inputs = [tensor.unsqueeze(0).to(device_of(networks[0])) for tensor in tensors(counts, demographics)]
        p = np.array([torch.sigmoid(network(*inputs))[0].cpu().numpy() for network in networks], np.float64)
    votes = np.zeros(p.shape[1])
    for member, threshold in zip(p, thresholds):
        positive = member >= threshold
        positive[member.argmax()] = True
        votes += positive
    labels = votes >= len(p) / 2
    labels[(votes + p.mean(axis=0) / 2).argmax()] = True
    return labels, p.mean(axis=0)


def run_folder(
    networks: list[SEResNet], thresholds: np.ndarray, headers: list[Path], classes: Sequence[str], folder: Path
) -> None:
    """Run one recording after another and write each output before the next recording is read."""
    for header in headers:
        labels, scores = run(networks, thresholds, *read(header))
        rows = [f"#{header.stem}"], classes, labels.astype(int), scores
        (folder / f"{header.stem}.csv").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")


# ----------------------------------------------------------------------------------------------------------- scoring


def challenge_metric(matrix: np.ndarray, labels: np.ndarray, outputs: np.ndarray, normal: int) -> float:
    """The Challenge metric by the official triple loop."""

    def reward(outputs: np.ndarray) -> float:
        confusion = np.zeros(matrix.shape)
        for label, output in zip(labels, outputs):
            positives = max(float(np.sum(np.any((label, output), axis=0))), 1.0)
            for j in range(len(matrix)):
                if label[j]:
                    for k in range(len(matrix)):
                        if output[k]:
                            confusion[j, k] += 1 / positives
        return np.nansum(matrix * confusion)

    inactive = np.zeros_like(labels)
    inactive[:, normal] = 1
    observed, best, least = (reward(choice) for choice in (outputs, labels, inactive))
    return (observed - least) / (best - least)


def apply_thresholds(p: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    labels = p >= thresholds
    labels[np.arange(len(p)), p.argmax(axis=1)] = True
    return labels


def grid_search(metric: Callable[[np.ndarray], float], p: np.ndarray) -> np.ndarray:
    """Search thresholds as published: score all recordings at every point, and keep a point only if it is better."""
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
    """(classes, 4): true and false positives, false and true negatives, counted one by one.

    With ``by_labels`` a recording counts 1 / its number of labels.
    """
    counts = np.zeros((labels.shape[1], 4))
    for i in range(len(labels)):
        positives = float(max(np.sum(labels[i]), 1)) if by_labels else 1.0
        for j in range(labels.shape[1]):
            counts[j, 2 * (not outputs[i, j]) + (not labels[i, j])] += 1 / positives
    return counts


def areas(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """The AUROC and AUPRC of one class, threshold by threshold."""
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
    """Compute the official figures by loops over recordings, classes and thresholds."""
    rows = [line.split(",") for line in weights_file.read_text().split()]
    equivalents = {"59118001": "713427006", "63593006": "284470004", "17338001": "427172004"}
    keep = [i for i, code in enumerate(rows[0][1:]) if code not in equivalents]
    classes = [rows[0][1:][i] for i in keep]
    matrix = np.array([[float(rows[i + 1][j + 1]) for j in keep] for i in keep])
    names = sorted(name[:-4] for name in os.listdir(label_folder) if name.endswith(".hea"))
    labels, outputs = np.zeros((2, len(names), len(classes)), bool)
    scores = np.zeros((len(names), len(classes)))
    for i, name in enumerate(names):
        for line in (label_folder / f"{name}.hea").read_text().split("\n"):
            if line.startswith("#Dx"):
                for code in line.split(": ")[1].split(","):
                    code = equivalents.get(code.strip(), code.strip())
                    if code in classes:
                        labels[i, classes.index(code)] = True
        lines = [line.split(",") for line in (output_folder / f"{name}.csv").read_text().split("\n")[1:]]
        codes = [equivalents.get(code.strip(), code.strip()) for code in lines[0]]
        for j, code in enumerate(classes):
            cells = [cell for cell, named in enumerate(codes) if named == code]
            if cells:  # equivalent codes: any label, and the mean of the defined scores
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
