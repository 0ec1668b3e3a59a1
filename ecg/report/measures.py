"""Heart rate, PR, QRS, QT and frontal axis of a recording, measured on the median beat of all leads.

A figure that does not hold in a recording is None, "not measurable", not a guess. In simulated recordings, whose
onsets and ends are known (``benchmarks/delineation.py``, docs/results.md), the median absolute errors are 0 beats per
minute, 3 to 6 ms (PR), 7 to 11 ms (QRS; 18 ms in LBBB), 7 to 11 ms (QT) and 1 to 3 degrees. They are larger in paced
rhythm (QRS 42 ms, QT 20 ms) and in flutter (axis 9 degrees). PR is not measurable without a quiet line before P, so
hardly ever above 100 beats per minute; a broad QRS is not measurable in half of the simulated bundle branch blocks.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfiltfilt

from ecg.data.preprocessing import bridge_gaps, fill_limb_leads
from ecg.data.qrs import qrs_centres
from ecg.data.record import LEADS, Record

SLOWEST = 100.0  # Hz; the onsets of waves are not sharp enough below
BAND = 0.5, 40.0  # Hz
BEFORE, AFTER = 0.50, 0.60  # s of a beat around its QRS centre
FEWEST_BEATS, MOST_BEATS = 4, 60
EARLY = 0.75  # of the median interval; an earlier beat is premature
SIMILAR = 0.9  # correlation of a beat with the median beat; premature beats have less
INDEPENDENT = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
# The steepness at the ends of the QRS: a part of the largest, and at least so many times that of ST and T. If the ends
# by another pair lie more than AGREE from those by the first, the ends are not clear.
AFTER_QRS = 0.07  # s after the end without another steep wave, such as the last one of a right bundle branch block
QRS_LEVELS = (0.05, 0.7), (0.10, 1.5), (0.03, 0.5)
AGREE = 0.02  # s
CORE, GAP, LONGEST_QRS = 0.02, 0.02, 0.13  # s from the QRS centre; a pause within the QRS; from the centre to an end
P_LEVEL = 0.10  # of the height of P at its onset
P_CORRELATION = 0.8  # of the P waves of one half of the beats with those of the other
QUIET, QUIET_LEVEL = 0.08, 0.35  # s before the P wave, and the largest change there, as a part of the height of P
SMALLEST_P, SMALLEST_T = 25.0, 60.0  # uV, root mean square over the leads
AFTER_T, AFTER_T_LEVEL = (0.02, 0.10), 0.4  # s after the end of T, and the largest wave there as a part of T


@dataclass(frozen=True)
class Measures:
    """The figures of one recording; None: not measurable.

    ``rate``: beats per minute. ``pr``, ``qrs``, ``qt``, ``qtc``: ms. ``axis``: degrees.
    ``qtc`` follows Bazett: QT divided by the square root of the RR interval in s.
    """

    rate: float | None = None
    pr: float | None = None
    qrs: float | None = None
    qt: float | None = None
    qtc: float | None = None
    axis: float | None = None


def measure(record: Record) -> Measures:
    """Measure ``record``. Premature and other unusual beats count for the rate only.

    >>> from ecg.data.header import Header
    >>> from ecg.simulation.signal import simulate_signal
    >>> counts = simulate_signal(["SNR"], 60, "male", 500, 10, np.random.default_rng(0))
    >>> header = Header("A1", 500.0, 5000, (), 60.0, "male", ())
    >>> measures = measure(Record(header, counts, np.ones(12, bool)))
    >>> round(measures.rate), round(measures.qrs), round(measures.axis)
    (75, 100, 53)
    """
    rate = record.header.rate
    counts = fill_limb_leads(bridge_gaps(record.counts)).astype(float)
    centres = qrs_centres(counts, rate) if rate >= SLOWEST else np.zeros(0, int)
    if len(centres) < FEWEST_BEATS:
        return Measures()
    band = butter(2, (BAND[0], min(BAND[1], 0.45 * rate)), "bandpass", fs=rate, output="sos")
    interval = float(np.median(np.diff(centres))) / rate
    before_early = np.append(np.diff(centres) < EARLY * interval * rate, False)  # a premature beat may hide their T
    beats = _usual_beats(sosfiltfilt(band, counts, axis=1), centres[~before_early], rate)
    if len(beats) < FEWEST_BEATS:  # noise, or no two beats alike
        return Measures()
    beat = np.median(beats, axis=0)
    (onset, end), is_clear = _qrs_ends(beat[INDEPENDENT], rate)
    beat = beat - _level_before(beat, onset, rate)
    p_onset = _p_onset(beats[:, INDEPENDENT], onset, interval, rate)
    t_end = _t_end(beat[INDEPENDENT], end, interval, rate)
    qt = None if t_end is None else 1000 * (t_end - onset) / rate
    return Measures(
        rate=60 * rate * (len(centres) - 1) / float(centres[-1] - centres[0]),
        pr=None if p_onset is None else 1000 * (onset - p_onset) / rate,
        qrs=1000 * (end - onset) / rate if is_clear else None,
        qt=qt,
        qtc=None if qt is None else qt / interval**0.5,
        axis=_axis(beat[:, onset : end + 1].sum(axis=1)) if is_clear else None,
    )


def _usual_beats(signal: np.ndarray, centres: np.ndarray, rate: float) -> np.ndarray:
    """The beats (beats, 12, samples) that look like the median beat, aligned with it, with the QRS centre at BEFORE."""
    before, after, reach, shift = (round(seconds * rate) for seconds in (BEFORE, AFTER, 0.06, 0.03))
    inside = centres[(centres >= before + 2 * shift) & (centres + after + 2 * shift < signal.shape[1])]
    centres = inside[:: max(len(inside) // MOST_BEATS, 1)]
    if not len(centres):
        return np.zeros((0, len(signal), before + after))
    for _ in range(2):
        parts = np.array([signal[:, centre - reach : centre + reach] for centre in centres])
        template = np.median(parts, axis=0)
        products = [
            [float(np.vdot(signal[:, centre + lag - reach : centre + lag + reach], template)) for centre in centres]
            for lag in range(-shift, shift + 1)
        ]
        centres = np.clip(centres + np.argmax(products, axis=0) - shift, before, signal.shape[1] - after)
    parts = np.array([signal[:, centre - reach : centre + reach] for centre in centres])
    template = np.median(parts, axis=0)
    sizes = np.linalg.norm(parts, axis=(1, 2)) * np.linalg.norm(template)
    usual = centres[(parts * template).sum(axis=(1, 2)) > SIMILAR * sizes]
    return np.array([signal[:, centre - before : centre + after] for centre in usual])


def _qrs_ends(beat: np.ndarray, rate: float) -> tuple[tuple[int, int], bool]:
    """The first and the last sample of the QRS, and whether they are clear."""
    steepness = np.sqrt((np.gradient(beat, axis=1) ** 2).sum(axis=0))
    centre, reach = round(BEFORE * rate), round(LONGEST_QRS * rate)
    part = steepness[centre - reach : centre + reach]
    quiet = np.quantile(steepness, 0.1)
    of_st_and_t = np.quantile(steepness[centre + round(0.14 * rate) : centre + round(0.40 * rate)], 0.9)
    ends, is_clear = [], True
    for level, factor in QRS_LEVELS:
        above = part > max(quiet + level * (part.max() - quiet), factor * of_st_and_t)
        last = _last(above[reach:], rate)
        ends.append((centre - 1 - _last(above[:reach][::-1], rate), centre + last))
        is_clear &= not above[reach + last + 1 : reach + last + round(AFTER_QRS * rate)].any()
    return ends[0], is_clear and np.abs(np.subtract(ends, ends[0])).max() <= AGREE * rate


def _last(above: np.ndarray, rate: float) -> int:
    """The last True of ``above``, which runs from the QRS centre outward, before a pause longer than GAP."""
    core = round(CORE * rate)
    steps = np.concatenate([[core], np.flatnonzero(above[core:]) + core])
    pauses = np.flatnonzero(np.diff(steps) > GAP * rate)
    return int(steps[pauses[0]] if len(pauses) else steps[-1])


def _level_before(beat: np.ndarray, onset: int, rate: float) -> np.ndarray:
    """The isoelectric level (leads, 1): the median of the 20 ms before the QRS."""
    return np.median(beat[:, onset - max(round(0.02 * rate), 1) : onset], axis=1, keepdims=True)


def _axis(areas: np.ndarray) -> float | None:
    """The frontal axis in degrees, from the net areas (12,) of the QRS in I and aVF."""
    x, y = areas[LEADS.index("I")], areas[LEADS.index("aVF")] * 2 / np.sqrt(3)  # aVF is drawn smaller than lead I
    return float(np.degrees(np.arctan2(y, x))) if x and y else None


def _t_end(beat: np.ndarray, qrs_end: int, interval: float, rate: float) -> float | None:
    """Where the tangent to the steepest fall of T meets the isoelectric level, in samples; None if T is not clear."""
    first, last = qrs_end + round(0.06 * rate), round((min(0.62 * interval, 0.5) + BEFORE) * rate)
    part = beat[:, first:last]
    size = np.sqrt((part**2).mean(axis=0))
    if len(size) < 0.1 * rate or not 2 <= (peak := int(np.argmax(size))) <= len(size) - 3 or size[peak] < SMALLEST_T:
        return None
    wave = part[:, peak] @ beat[:, first + peak : first + peak + round(0.2 * rate)]
    slope = np.gradient(_smooth(wave, round(0.04 * rate)))
    steepest = int(np.argmin(slope))
    if slope[steepest] >= 0:
        return None
    fall = steepest - float(wave[steepest] / slope[steepest])
    after = size[peak + round(fall + AFTER_T[0] * rate) : peak + round(fall + AFTER_T[1] * rate)]
    return None if len(after) and after.max() > AFTER_T_LEVEL * size[peak] else first + peak + fall


def _smooth(wave: np.ndarray, width: int) -> np.ndarray:
    width += 1 - width % 2
    return np.convolve(np.pad(wave, width // 2, mode="edge"), np.ones(width) / width, "valid")


def _p_onset(beats: np.ndarray, qrs_onset: int, interval: float, rate: float) -> int | None:
    """The first sample of P; None if there is no P wave that all beats share, or if no quiet line precedes it."""
    first, last = max(qrs_onset - round(min(0.40, 0.6 * interval) * rate), 0), qrs_onset - round(0.03 * rate)
    halves = np.array([np.median(beats[half::2], axis=0)[:, first:last] for half in (0, 1)])
    halves -= halves.mean(axis=2, keepdims=True)
    shared = (halves[0] * halves[1]).sum() / max(float(np.prod(np.linalg.norm(halves, axis=(1, 2)))), 1e-9)
    beat = np.median(beats, axis=0)
    part = beat[:, first:last] - _level_before(beat, qrs_onset, rate)
    size = np.sqrt((part**2).mean(axis=0))
    peak = int(np.argmax(size))
    if shared < P_CORRELATION or size[peak] < SMALLEST_P or peak < 0.02 * rate:
        return None
    wave = part[:, peak] @ part
    start = max(peak - round(0.12 * rate), 0)
    rise = wave[start : peak + 1] - wave[start : peak + 1].min()
    onset = start + int(np.flatnonzero(rise < P_LEVEL * rise[-1])[-1])
    quiet = wave[max(onset - round(QUIET * rate), 0) : onset + 1]
    is_quiet = len(quiet) >= 0.04 * rate and np.ptp(quiet) <= QUIET_LEVEL * rise[-1]
    return first + onset if is_quiet else None
