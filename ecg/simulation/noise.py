"""Noise of a recording: electrode gains, baseline drift, muscles, mains, and loose electrodes."""

import math

import numpy as np

LOOSE_FRACTION = 0.005  # fraction of recordings in which one chest electrode has come off


def add_noise(measured: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """``measured`` (8, samples) in mV at ``rate`` Hz, with noise."""
    leads, samples = measured.shape
    times = np.arange(samples) / rate
    noisy = measured * rng.normal(1, 0.02, (leads, 1))  # the gains of the electrodes differ slightly
    noisy += _drift(times, leads, rng)
    noisy += rng.uniform(0.003, 0.015) * rng.normal(size=(leads, samples))  # muscles
    if rng.random() < 0.3:
        mains = rng.choice([50, 60])
        phase = rng.uniform(0, 2 * math.pi, (leads, 1))
        noisy += rng.uniform(0.003, 0.02, (leads, 1)) * np.sin(2 * math.pi * mains * times + phase)
    if rng.random() < LOOSE_FRACTION:
        noisy[rng.integers(2, leads)] = 0
    return noisy


def _drift(times: np.ndarray, leads: int, rng: np.random.Generator) -> np.ndarray:
    """Baseline drift (leads, times) in mV: breathing and two slower waves from the skin under the electrodes."""
    size = rng.uniform(0.01, 0.06)
    drift = np.zeros((leads, len(times)))
    for frequency in (rng.uniform(0.2, 0.35), rng.uniform(0.08, 0.15), rng.uniform(0.03, 0.06)):
        phase = rng.uniform(0, 2 * math.pi, (leads, 1))
        drift += size * rng.normal(size=(leads, 1)) * np.sin(2 * math.pi * frequency * times + phase)
    return drift
