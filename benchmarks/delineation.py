#!/usr/bin/env python
"""How exact are the measures on the ECG pictures?  python benchmarks/delineation.py

In simulated recordings the onsets and ends of the waves are known. For each label this prints the median and the 90 %
quantile of the absolute error, and the fraction "not measurable", of the rate, PR, QRS, QT and axis that
ecg.report.measures gives. In a rhythm without P waves, it prints the fraction that wrongly has a PR interval. With
--neurokit, it measures NeuroKit2 (lead II, method dwt) instead, which must be installed apart: it needs pandas < 3.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg import progress
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.header import Header
from ecg.data.record import LEADS, Record
from ecg.report.measures import FEWEST_BEATS, Measures, measure
from ecg.simulation.beats import qrs_waves, t_waves
from ecg.simulation.conditions import draw_heart_and_rhythm
from ecg.simulation.dipole import VISIBLE
from ecg.simulation.population import MEASURED, PACED
from ecg.simulation.rhythm import NORMAL, SINUS, draw_beats
from ecg.simulation.signal import beat_waves, simulate_signal

LABELS = ("SNR", "STach", "IAVB", "CRBBB", "LBBB", "NSIVCB", "LAD", "TAb", "LQT", "PVC", "PR", "AF", "AFL")
RATE, SECONDS, RECORDINGS = 500, 10, 40
FIGURES = ("rate", "pr", "qrs", "qt", "axis")


def simulated_case(label: str, seed: int) -> tuple[Record, Measures]:
    """A simulated recording with noise, and its true measures. Only waves of a tenth of the QRS or more count."""
    age, sex = 30.0 + 7 * seed % 50, ("male", "female")[seed % 2]
    random = np.random.default_rng([7, seed])  # draws what simulate_signal draws from the same seed, in its order
    heart, rhythm = draw_heart_and_rhythm(frozenset({label}), age, sex, MEASURED, random)
    state = random.bit_generator.state
    qrs, t = qrs_waves(heart, random), t_waves(heart, random)[2]
    random.bit_generator.state = state
    p = beat_waves(heart, rhythm, RATE, random)[NORMAL][:2]
    onsets = [beat.onset for beat in draw_beats(rhythm, SECONDS, MEASURED.variability, random)]
    intervals = np.diff([onset for onset in onsets if 0 <= onset < SECONDS])
    sizes = [np.linalg.norm(wave.vector) for wave in qrs]
    large = [wave for wave, size in zip(qrs, sizes) if size > 0.1 * max(sizes)]
    start = min(wave.peak - VISIBLE * wave.rise for wave in large)
    end = max(wave.peak + VISIBLE * wave.fall for wave in large)
    has_p = rhythm.atria == SINUS and heart.conduction != PACED
    truth = Measures(
        rate=60 / float(np.mean(intervals)),
        pr=1000 * (start - min(wave.peak - VISIBLE * wave.rise for wave in p)) if has_p else None,
        qrs=1000 * (end - start),
        qt=1000 * (t.peak + 2 * t.fall - start),
        axis=heart.axis,
    )
    counts = simulate_signal([label], age, sex, RATE, SECONDS, np.random.default_rng([7, seed]), population=MEASURED)
    header = Header("X1", float(RATE), counts.shape[1], (), age, sex, ())
    return Record(header, counts, np.ones(len(LEADS), bool)), truth


def measure_by_neurokit(record: Record) -> Measures:
    import neurokit2

    signal = neurokit2.ecg_clean(record.counts[LEADS.index("II")] / 1000, sampling_rate=RATE)
    peaks = neurokit2.ecg_peaks(signal, sampling_rate=RATE)[1]["ECG_R_Peaks"]
    try:
        waves = neurokit2.ecg_delineate(signal, peaks, sampling_rate=RATE, method="dwt")[1]
    except Exception:  # it raises errors of many types
        return Measures()

    def median(start: str, end: str) -> float | None:
        widths = np.subtract(waves[f"ECG_{end}"], waves[f"ECG_{start}"], dtype=float)
        return 1000 * float(np.nanmedian(widths)) / RATE if np.isfinite(widths).sum() >= FEWEST_BEATS else None

    return Measures(
        rate=60 * RATE / float(np.mean(np.diff(peaks))),
        pr=median("P_Onsets", "R_Onsets"),
        qrs=median("R_Onsets", "R_Offsets"),
        qt=median("R_Onsets", "T_Offsets"),
    )


def errors(method: Callable[[Record], Measures], label: str, recordings: int = RECORDINGS) -> dict[str, np.ndarray]:
    """The absolute errors (recordings,) of each figure: NaN if not measurable, infinite if nothing is there."""
    rows: dict[str, list[float]] = {figure: [] for figure in FIGURES}
    for seed in range(recordings):
        record, truth = simulated_case(label, seed)
        measures = method(record)
        for figure, row in rows.items():
            measured, true = getattr(measures, figure), getattr(truth, figure)
            if measured is None:
                row.append(np.nan)
            elif true is None:
                row.append(np.inf)
            else:
                error = abs(measured - true)
                row.append(min(error, 360 - error) if figure == "axis" else error)
    return {figure: np.array(row) for figure, row in rows.items()}


def describe(error: np.ndarray) -> str:
    """A cell of the table."""
    if np.isinf(error).any() or np.isnan(error).all():
        return f"given in {np.isinf(error).mean():.0%}"
    return f"{np.nanmedian(error):.0f}, {np.nanquantile(error, 0.9):.0f}, {np.isnan(error).mean():.0%}"


def main() -> int:
    parser = Arguments(__doc__)
    parser.add_argument("--neurokit", action="store_true", help="measure NeuroKit2 instead")
    args = parser.parse()
    method = measure_by_neurokit if args.neurokit else measure
    warnings.simplefilter("ignore")  # NeuroKit2 warns of every wave that it does not find
    print("| label | rate, /min | PR, ms | QRS, ms | QT, ms | axis, degrees |\n" + "|---" * 6 + "|")
    for label in progress.bar(LABELS, len(LABELS), "measuring", "labels"):
        print(f"| {label} | {' | '.join(map(describe, errors(method, label).values()))} |")
    return ALL_WELL


if __name__ == "__main__":
    run(main)
