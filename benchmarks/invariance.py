#!/usr/bin/env python
"""How far a model's answer depends on what should not matter:  python benchmarks/invariance.py MODEL DATA

The recordings of DATA as they are, and the same altered in ways that change nothing of the heart: what happens to
their labels and probabilities. Resampled signals are made by scipy.signal.resample_poly, as another device would
have sampled them. Give recordings that the model has not learned from.
"""

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ecg import progress  # noqa: E402
from ecg.cli import ALL_WELL, Arguments, run  # noqa: E402
from ecg.data.header import parse_header, read_header  # noqa: E402
from ecg.data.listing import find_headers  # noqa: E402
from ecg.data.record import read_signal, to_counts  # noqa: E402
from ecg.files import read_text  # noqa: E402
from ecg.model.compute import pick_compute  # noqa: E402
from team_code import load_model, run_model  # noqa: E402

Given = tuple[str | list[str], np.ndarray]  # a header's text or lines, and the signal, as run_model takes them


def gain(value: float) -> Callable[[str, np.ndarray], Given]:
    """The same counts under a header that claims another scale."""

    def altered(text: str, signal: np.ndarray) -> Given:
        return text.replace(" 1000/mV ", f" {value:.0f}/mV ").replace(" 1000.0(0)/mV ", f" {value:.0f}(0)/mV "), signal

    return altered


def unit(microvolts: float) -> Callable[[str, np.ndarray], Given]:
    """The same voltages as another device stores them, with a header that does not know."""
    return lambda text, signal: (text, to_counts(signal / microvolts))


def other_order(text: str, signal: np.ndarray) -> Given:
    lines = text.splitlines()
    leads = len(signal)
    return "\n".join([lines[0], *lines[leads:0:-1], *lines[leads + 1 :]]), signal[::-1]


def silence(text: str, signal: np.ndarray) -> Given:
    """Two seconds more in which nothing is measured."""
    more = np.zeros((len(signal), round(2 * parse_header(text).rate)), signal.dtype)
    return said(text, samples=signal.shape[1] + more.shape[1]), np.hstack([signal, more])


def sampled(rate: int) -> Callable[[str, np.ndarray], Given]:
    def altered(text: str, signal: np.ndarray) -> Given:
        ratio = Fraction(rate / parse_header(text).rate).limit_denominator(10_000)
        other = resample_poly(signal.astype(float), ratio.numerator, ratio.denominator, axis=1, padtype="line")
        return said(text, rate=rate, samples=other.shape[1]), to_counts(other)

    return altered


def said(text: str, rate: float | None = None, samples: int | None = None) -> str:
    """The header with another rate and number of samples."""
    record_line, rest = text.split("\n", 1)
    name, leads, old_rate, _, *others = record_line.split()
    return " ".join([name, leads, str(rate or old_rate), str(samples), *others]) + "\n" + rest


WAYS: dict[str, Callable[[str, np.ndarray], Given]] = {
    "the header a list of lines": lambda text, signal: (text.splitlines(keepends=True), signal),
    "float64 instead of int16": lambda text, signal: (text, signal.astype(float)),
    "gain 200": gain(200),
    "gain 4880": gain(4880),
    "gain 2000000": gain(2e6),
    "counts of 2.5 uV": unit(2.5),
    "counts of 5 uV": unit(5),
    "leads in reverse order": other_order,
    "2 s of silence after it": silence,
    **{f"{rate} Hz": sampled(rate) for rate in (1000, 300, 257, 250, 100)},
}


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="the folder of the trained model")
    arguments.add_argument("data", type=Path, help="a folder of recordings of 500 Hz or more, of about 10 s")
    arguments.add_compute()
    given = arguments.parse()
    model = load_model(given.model, compute=pick_compute(given.device, given.float32))
    headers = find_headers(given.data, headers_only=True)
    differences = {way: [] for way in WAYS}
    for path in progress.bar(headers, len(headers), "running", "recordings"):
        text, signal = read_text(path), read_signal(path, read_header(path))
        _, labels, p = run_model(model, text, signal)
        for way, alter in WAYS.items():
            _, other_labels, other_p = run_model(model, *alter(text, signal))
            largest = np.abs(np.subtract(other_p, p)).max()
            differences[way].append((largest, np.mean(np.abs(np.subtract(other_p, p))), labels != other_labels))
    print(f"{len(headers)} recordings, recipe {model.recipe.name}; differences of the probabilities")
    print(f"{'':28s} {'largest':>9s} {'95 % below':>11s} {'mean':>9s} {'recordings with other labels':>30s}")
    for way, rows in differences.items():
        largest, mean, other = np.array(rows, float).T
        print(
            f"{way:28s} {largest.max():9.2g} {np.quantile(largest, 0.95):11.2g} {mean.mean():9.2g}"
            f" {f'{int(other.sum())} ({100 * other.mean():.1f} %)':>30s}"
        )
    return ALL_WELL


if __name__ == "__main__":
    run(main)
