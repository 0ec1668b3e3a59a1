#!/usr/bin/env python
"""Measure how predictions change with irrelevant changes of a recording:  python benchmarks/invariance.py MODEL DATA

Runs the model on the recordings of DATA as they are, and altered in ways that do not change the heart; compares labels
and probabilities. scipy.signal.resample_poly resamples the signals, in place of a device with another sampling rate.
Give recordings that the model was not trained on.
"""

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg import progress
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.header import parse_header
from ecg.data.listing import find_recordings
from ecg.data.record import to_counts
from ecg.data.signal_files import read_counts
from ecg.files import read_text

HeaderAndSignal = tuple[str | list[str], np.ndarray]  # the arguments of run_model
Alteration = Callable[[str, np.ndarray], HeaderAndSignal]


def gain(value: float) -> Alteration:
    """The same counts, and a header with another gain."""

    def alter(text: str, signal: np.ndarray) -> HeaderAndSignal:
        return text.replace(" 1000/mV ", f" {value:.0f}/mV ").replace(" 1000.0(0)/mV ", f" {value:.0f}(0)/mV "), signal

    return alter


def unit(microvolts: float) -> Alteration:
    """The same voltages in counts of another size, which the header does not state."""
    return lambda text, signal: (text, to_counts(signal / microvolts))


def reverse_leads(text: str, signal: np.ndarray) -> HeaderAndSignal:
    lines = text.splitlines()
    leads = len(signal)
    return "\n".join([lines[0], *lines[leads:0:-1], *lines[leads + 1 :]]), signal[::-1]


def append_silence(text: str, signal: np.ndarray) -> HeaderAndSignal:
    """Append 2 s of zeros."""
    silence = np.zeros((len(signal), round(2 * parse_header(text).rate)), signal.dtype)
    longer = np.hstack([signal, silence])
    return change_record_line(text, longer.shape[1]), longer


def resample(rate: int) -> Alteration:
    def alter(text: str, signal: np.ndarray) -> HeaderAndSignal:
        from scipy.signal import resample_poly  # slow to import

        ratio = Fraction(rate / parse_header(text).rate).limit_denominator(10_000)
        resampled = resample_poly(signal.astype(float), ratio.numerator, ratio.denominator, axis=1, padtype="line")
        return change_record_line(text, resampled.shape[1], rate), to_counts(resampled)

    return alter


def change_record_line(text: str, samples: int, rate: int | None = None) -> str:
    """The header with another number of samples and, if given, another sampling rate."""
    record_line, rest = text.split("\n", 1)
    name, leads, old_rate, _, *others = record_line.split()
    return " ".join([name, leads, str(rate or old_rate), str(samples), *others]) + "\n" + rest


ALTERATIONS: dict[str, Alteration] = {
    "header as a list of lines": lambda text, signal: (text.splitlines(keepends=True), signal),
    "float64 instead of int16": lambda text, signal: (text, signal.astype(float)),
    "gain 200": gain(200),
    "gain 4880": gain(4880),
    "gain 2000000": gain(2e6),
    "counts of 2.5 uV": unit(2.5),
    "counts of 5 uV": unit(5),
    "leads in reverse order": reverse_leads,
    "2 s of silence appended": append_silence,
    **{f"{rate} Hz": resample(rate) for rate in (1000, 300, 257, 250, 100)},
}


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="the folder of the trained model")
    arguments.add_argument("data", type=Path, help="a folder of recordings of about 10 s, sampled at 500 Hz or more")
    arguments.add_compute()
    args = arguments.parse()
    from ecg.model.compute import pick_compute  # after the arguments, so that --help is fast
    from team_code import load_model, run_model

    model = load_model(args.model, compute=pick_compute(args.device, args.float32))
    headers = find_recordings(args.data, headers_only=True)
    differences: dict[str, list[tuple[float, float, bool]]] = {name: [] for name in ALTERATIONS}
    for path in progress.bar(headers, len(headers), "running", "recordings"):
        text, signal = read_text(path), read_counts(path)[1]
        _, labels, p = run_model(model, text, signal)
        for name, alter in ALTERATIONS.items():
            _, altered_labels, altered_p = run_model(model, *alter(text, signal))
            change = np.abs(np.subtract(altered_p, p))
            differences[name].append((change.max(), change.mean(), labels != altered_labels))
    print(f"{len(headers)} recordings, recipe {model.recipe.name}; differences of the probabilities")
    print(f"{'':28s} {'largest':>9s} {'95 % below':>11s} {'mean':>9s} {'recordings with other labels':>30s}")
    for name, rows in differences.items():
        largest, mean, relabelled = np.array(rows, float).T
        changed = f"{relabelled.sum():.0f} ({100 * relabelled.mean():.1f} %)"
        figures = f"{largest.max():9.2g} {np.quantile(largest, 0.95):11.2g} {mean.mean():9.2g}"
        print(f"{name:28s} {figures} {changed:>30s}")
    return ALL_WELL


if __name__ == "__main__":
    run(main)
