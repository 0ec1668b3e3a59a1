#!/usr/bin/env python
"""Measure the coverage of 95 % confidence intervals:  python benchmarks/coverage.py

Draws samples with the class frequencies of Georgia or PTB-XL and simulated scores of two recipes (AUROC 0.90 and 0.84).
A cell is the fraction of intervals that contain the figure expected in samples of this size, in brackets their own
estimate, in the last column the figure in a large sample.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg import progress
from ecg.classes import load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.evaluation import bootstrap

WEIGHTS, QUANTILES = load_weights(), (0.025, 0.975)
bootstrap.RESAMPLES = 101  # to save time
# recordings that have the class in %, in the order of weights.csv
GEORGIA = "8 6 2 0 6 4 2 10 2.4 4 2.1 0 6.8 3.8 0 15 5 0.9 4.8 18 19 13 24 8.6"
PTB_XL = "3.7 7 0.3 0 2.5 5 7.5 24 2.5 0.8 3.7 1.4 2.6 0 1.6 0.6 2.5 1.6 3.6 3 84 3.8 11 1.4"
SAMPLES = (("Georgia", GEORGIA, 40), ("PTB-XL", PTB_XL, 400), ("PTB-XL", PTB_XL, 2000))
KINDS = "drawn with replacement: percentile | random weights: percentile | basic | BCa | `interval` | large sample"
FIGURES = [*bootstrap.FIGURES, *(f"{name}, difference" for name in bootstrap.FIGURES)]
SHOWN = (*FIGURES[:4], "ECE", *FIGURES[8:11])


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("--samples", type=int, default=200, help="samples of each size (200)")
    samples = arguments.parse().samples
    print(f"| sample | figure | {KINDS} |\n{'|---' * 8}|")
    for source, percent, number in SAMPLES:
        rng = np.random.default_rng(0)
        inside, large = [], estimate(draw(rng, percent, 200_000))
        expected = np.mean([estimate(draw(rng, percent, number)) for _ in range(1000)], axis=0)
        for _ in progress.bar(range(samples), samples, f"{source}, {number}", "samples"):
            sample = draw(rng, percent, number)
            low, high = intervals(sample, rng)
            inside.append([(low <= true) & (true <= high) for true in (expected, estimate(sample), large)])
        covered, contained, covered_large = np.mean(inside, axis=0)
        for i in map(FIGURES.index, SHOWN):
            cells = " | ".join(f"{x:.2f} ({y:.2f})" for x, y in zip(covered[:, i], contained[:, i]))
            print(f"| {source}, {number:,} | {FIGURES[i]} | {cells} | {covered_large[-1, i]:.2f} |", flush=True)
    return ALL_WELL


def draw(rng: np.random.Generator, percent: str, number: int) -> list[bootstrap.Predictions]:
    """The predictions of two recipes for random recordings. Every class of the source has a positive."""
    frequency = np.array(percent.split(), float) / 100
    labels = rng.random((number, len(frequency))) < frequency
    labels[rng.integers(number, size=24), np.arange(24)] |= ~labels.any(axis=0) & (frequency > 0)
    prior, noise, recipes = frequency.clip(1e-4), rng.standard_normal(labels.shape), []
    for separation in (1.8, 1.4):  # of positives and negatives, in standard deviations
        evidence = separation * labels + 0.8 * noise + 0.6 * rng.standard_normal(labels.shape)
        logit = np.log(prior / (1 - prior)) + separation * evidence - separation**2 / 2
        p = 1 / (1 + np.exp(-1.3 * logit))  # overconfident
        recipes.append(bootstrap.Predictions(labels, np.full(number, ""), [(p >= 0.3, p)]))
    return recipes


def estimate(sample: list[bootstrap.Predictions], weight: np.ndarray | None = None) -> np.ndarray:
    first, second = (bootstrap.figures(WEIGHTS, recipe, weight) for recipe in sample)
    return np.append(first, first - second)


def intervals(sample: list[bootstrap.Predictions], rng: np.random.Generator) -> np.ndarray:
    """The bounds, (2, KINDS, FIGURES)."""
    from scipy.stats import norm

    number, center = len(sample[0].labels), estimate(sample)
    draws = rng.multinomial(number, np.full(number, 1 / number), bootstrap.RESAMPLES)
    weights = rng.standard_exponential((bootstrap.RESAMPLES, number))
    parts = np.arange(number) % 40 != np.arange(40)[:, np.newaxis]
    drawn, weighted, jackknife = (np.array([estimate(sample, row) for row in 1.0 * x]) for x in (draws, weights, parts))
    percentile = np.quantile(weighted, QUANTILES, axis=0)
    bias = norm.ppf((weighted < center).mean(axis=0).clip(0.001, 0.999))
    deviations = jackknife.mean(axis=0) - jackknife
    acceleration = (deviations**3).sum(axis=0) / (6 * (deviations**2).sum(axis=0) ** 1.5).clip(1e-12)
    z = bias + norm.ppf(QUANTILES)[:, np.newaxis]
    bca = np.transpose(list(map(np.quantile, weighted.T, norm.cdf(bias + z / (1 - acceleration * z)).T)))
    first, second = np.moveaxis(bootstrap.bootstrap_figures(WEIGHTS, sample, int(rng.integers(1 << 30))), 1, 0)
    ours = np.transpose(list(map(bootstrap.interval, center, np.hstack([first, first - second]).T)))
    return np.stack([np.quantile(drawn, QUANTILES, axis=0), percentile, 2 * center - percentile[::-1], bca, ours], 1)


if __name__ == "__main__":
    run(main)
