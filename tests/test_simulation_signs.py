"""Each label is seen in the simulated ECG, and in no normal one.

The signs are measured on recordings without noise, by means that share nothing with the simulator: peaks of the
signal, and the times and areas between them.
"""

import numpy as np
import pytest
from scipy.signal import find_peaks

from ecg.classes import ABBREVIATIONS, load_weights
from ecg.data.record import LEADS
from ecg.simulation.cases import classes
from ecg.simulation.rhythm import ATRIAL, SINUS, VENTRICULAR, Rhythm, beats
from ecg.simulation.signal import recording

RATE = 500  # Hz
SECONDS = 20
TERRITORIES = (("II", "III", "aVF"), ("V2", "V3"), ("I", "V5", "V6"))


class Ecg:
    """A recording without noise, in mV, and what a ruler measures in it.

    Its methods measure a beat, by its number; without one, a beat after an interval of the usual length.
    """

    def __init__(self, labels: str, seed: int):
        counts = recording(labels.split(), 60, "male", RATE, SECONDS, np.random.default_rng([1, seed]), noise=False)
        self.leads = dict(zip(LEADS, counts / 1000))
        self.steepness = np.abs(np.gradient(counts / 1000, axis=1)).sum(axis=0)
        hump = np.convolve(self.steepness, np.ones(50) / 50, "same")  # one a QRS, be it notched or not
        peaks, _ = find_peaks(hump, height=0.35 * hump.max(), distance=RATE // 4)
        self.peaks = peaks[(peaks > RATE) & (peaks < (SECONDS - 1) * RATE)]
        self.intervals = np.diff(self.peaks) / RATE
        self.interval = np.median(self.intervals)
        self.rate = 60 / self.interval
        self.usual = 1 + int(np.argmin(np.abs(self.intervals[:-1] - self.interval)))
        self.early = 1 + int(np.argmin(self.intervals[:-1]))  # the beat that came soonest

    def qrs(self, number: int | None = None) -> tuple[int, int]:
        """The samples where the QRS begins and ends: the leads are steep between, but for moments at its peaks."""
        middle = self.peaks[self.usual if number is None else number]
        steep = np.convolve(self.steepness > 0.1 * np.quantile(self.steepness, 0.97), np.ones(13), "same") > 0
        return (
            middle - int(np.argmin(steep[middle::-1])) + 6,
            middle + int(np.argmin(steep[middle:])) - 6,
        )

    def width(self, number: int | None = None) -> float:
        """Of the QRS, in s."""
        begin, end = self.qrs(number)
        return (end - begin) / RATE

    def beat(self, lead: str, number: int | None = None) -> np.ndarray:
        """The QRS in ``lead``, above the level it begins from."""
        begin, end = self.qrs(number)
        return self.leads[lead][begin - 3 : end + 4] - self.leads[lead][begin - 3]

    def swing(self, leads: tuple[str, ...]) -> float:
        return max(np.ptp(self.beat(lead)) for lead in leads)

    def net(self, lead: str, number: int | None = None) -> float:
        return self.beat(lead, number).sum()

    def axis(self) -> float:
        """Degrees, from the net areas in I and aVF."""
        return float(np.degrees(np.arctan2(self.net("aVF") * 2 / np.sqrt(3), self.net("I"))))

    def p(self, number: int | None = None) -> tuple[float, float]:
        """Height in II (mV) of the last wave in the 0.4 s before the QRS and the time (s) from its onset to the QRS."""
        begin, _ = self.qrs(number)
        span = self.leads["II"][begin - 190 : begin] - self.leads["II"][begin - 10]
        peaks, _ = find_peaks(np.abs(span[:-10]), height=0.05, prominence=0.03, width=(10, 45))
        if not len(peaks):
            return 0.0, 0.0
        height = span[peaks[-1]]
        before = np.flatnonzero(np.abs(span[: peaks[-1]]) < 0.1 * abs(height))
        return height, (len(span) - before[-1]) / RATE if len(before) else 0.0

    def t(self, lead: str, number: int | None = None) -> np.ndarray:
        """The 0.3 s from 60 ms after the QRS on, above the level before the QRS."""
        begin, end = self.qrs(number)
        return self.leads[lead][end + 30 : end + 180] - self.leads[lead][begin - 3]

    def qtc(self) -> float:
        """Bazett's, in s, with T's end where the tangent to its steepest fall in II meets the level before the QRS."""
        begin, end = self.qrs()
        span = self.leads["II"][end + 30 :] - self.leads["II"][begin - 3]
        peak = int(np.argmax(span[:170]))
        slope = np.gradient(span)[peak : peak + 60]
        steepest = peak + int(np.argmin(slope))
        end_of_t = end + 30 + steepest - span[steepest] / min(slope.min(), -1e-3)
        return (end_of_t - begin) / RATE / np.sqrt(self.interval)

    def q(self, lead: str) -> tuple[float, float]:
        """How long (s) and how deep (part of the R wave) the QRS's first wave is, where that goes down."""
        beat = self.beat(lead)
        first = beat[: int(np.argmax(beat > 0.03)) or None]
        return (first < -0.02).sum() / RATE, -first.min() / max(beat.max(), 0.1)

    def flutter(self) -> float:
        """The strongest wave of 270 to 325 a minute in aVF between the QRSs, mV."""
        lead = self.leads["aVF"].copy()
        for middle in self.peaks:
            lead[middle - 40 : middle + 40] = np.linspace(lead[middle - 40], lead[middle + 40], 80)
        part = lead[self.peaks[0] : self.peaks[-1]]
        strength = 2 * np.abs(np.fft.rfft(part - part.mean())) / len(part)
        frequency = np.fft.rfftfreq(len(part), 1 / RATE)
        return strength[(frequency > 4.5) & (frequency < 5.4)].max()

    def has_p(self) -> bool:
        """Whether the mean of all beats has a P wave in II."""
        to_begin = self.peaks[self.usual] - self.qrs()[0]
        begins = self.peaks - to_begin
        spans = np.mean([self.leads["II"][begin - 100 : begin - 5] for begin in begins], axis=0)
        return spans.max() - max(spans[0], spans[-1]) > 0.04

    def is_regular(self) -> bool:
        return np.ptp(self.intervals) < 0.12

    def is_early(self, pause: float) -> bool:
        """Whether there is an early beat, with an interval of at least ``pause`` usual ones after it."""
        early, late = self.intervals[self.early - 1 : self.early + 1] / self.interval
        return early < 0.75 and late > pause


def peaks_up(beat: np.ndarray, prominence: float) -> int:
    return len(find_peaks(beat, height=0.05, prominence=prominence)[0])


def has_q(ecg: Ecg, lead: str) -> bool:
    time, depth = ecg.q(lead)
    return time > 0.03 and depth > 0.25


def is_inverted(t: np.ndarray) -> bool:
    return -t.min() > max(0.1, 2 * t.max())


def is_abnormal(t: np.ndarray) -> bool:
    """Flat, or first down, then up."""
    return t.max() < 0.06 or (t.min() < -0.04 and np.argmin(t) < np.argmax(t))


SIGNS = {
    "SNR": lambda ecg: 60 <= ecg.rate <= 100 and ecg.is_regular() and ecg.p()[0] > 0.05,
    "SB": lambda ecg: ecg.rate < 60 and ecg.has_p(),
    "Brady": lambda ecg: ecg.rate < 50,
    "STach": lambda ecg: ecg.rate > 100 and ecg.is_regular(),
    "SA": lambda ecg: ecg.has_p() and np.ptp(ecg.intervals) > 0.2 and np.abs(np.diff(ecg.intervals)).max() < 0.3,
    "AF": lambda ecg: ecg.intervals.std() > 0.12 * ecg.intervals.mean() and not ecg.has_p(),
    "AFL": lambda ecg: ecg.flutter() > 0.05,
    "PAC": lambda ecg: ecg.is_early(pause=1.05) and ecg.width(ecg.early) < 0.11 and ecg.p(ecg.early)[0] < -0.05,
    "PVC": lambda ecg: (
        ecg.is_early(pause=1.25)
        and ecg.width(ecg.early) > 0.13
        and ecg.net("V1", ecg.early) * ecg.t("V1", ecg.early).sum() < 0  # T against the QRS
    ),
    "PR": lambda ecg: ecg.width() > 0.13 and np.diff(ecg.beat("II"))[:12].min() < -0.1 and not ecg.has_p(),
    "IAVB": lambda ecg: ecg.p()[1] > 0.24,
    "LPR": lambda ecg: ecg.p()[1] > 0.2,
    "LQT": lambda ecg: ecg.qtc() > 0.48,
    "CRBBB": lambda ecg: (
        ecg.width() > 0.12 and peaks_up(ecg.beat("V1"), 0.08) == 2 and ecg.beat("V6")[-35:].min() < -0.1
    ),
    "IRBBB": lambda ecg: 0.1 <= ecg.width() < 0.12 and peaks_up(ecg.beat("V1"), 0.08) == 2,
    "LBBB": lambda ecg: (
        ecg.width() > 0.12 and ecg.net("V1") < 0 and peaks_up(ecg.beat("I"), 0.02) == 2 and is_inverted(ecg.t("V6"))
    ),
    "NSIVCB": lambda ecg: ecg.width() > 0.11 and ecg.beat("V1")[-30:].max() < 0.1 and not is_inverted(ecg.t("V6")),
    "LAnFB": lambda ecg: -80 < ecg.axis() < -45 and ecg.q("aVL")[0] > 0 and ecg.q("III")[0] == 0,
    "LAD": lambda ecg: -80 < ecg.axis() < -30,
    "RAD": lambda ecg: 100 < ecg.axis() < 150,
    "LQRSV": lambda ecg: ecg.swing(LEADS[:6]) < 0.5 and ecg.swing(LEADS[6:]) < 1,
    "QAb": lambda ecg: any(all(has_q(ecg, lead) for lead in leads) for leads in TERRITORIES),
    "TAb": lambda ecg: all(is_abnormal(ecg.t(lead)) for lead in ("I", "II", "V4", "V5", "V6")),
    "TInv": lambda ecg: any(all(is_inverted(ecg.t(lead)) for lead in leads) for leads in TERRITORIES),
}


def test_every_class_has_a_sign():
    assert set(SIGNS) == set(classes()) == {ABBREVIATIONS[code] for code in load_weights().classes}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("label", SIGNS)
def test_a_label_is_seen(label, seed):
    assert SIGNS[label](Ecg(label, seed))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("label", sorted(set(SIGNS) - {"SNR"}))
def test_a_normal_ecg_has_no_other_sign(label, seed):
    assert not SIGNS[label](Ecg("SNR", seed))


@pytest.mark.parametrize(
    "labels",
    [
        "LBBB LAD IAVB",
        "AF LAD",
        "CRBBB LAD IAVB",
        "SNR LAD IAVB",
        "SB LQT QAb",
        "STach RAD LQRSV",
        "SNR QAb TAb",
        "LAnFB CRBBB",
        "PVC LPR",
    ],
)
def test_labels_are_seen_together(labels):
    ecg = Ecg(labels, 0)
    assert [label for label in labels.split() if not SIGNS[label](ecg)] == []


@pytest.mark.parametrize("seconds", [6, 10])
def test_both_kinds_of_premature_beats_are_in_a_recording_that_has_both(seconds):
    both = Rhythm(SINUS, interval=0.8, irregularity=0.01, premature=(VENTRICULAR, ATRIAL))
    for seed in range(200):
        course = beats(both, seconds, variety=seed % 2, rng=np.random.default_rng(seed))
        assert {ATRIAL, VENTRICULAR} <= {beat.kind for beat in course if 0 < beat.onset < seconds}


def test_the_stronger_rhythm_wins():
    ecg = Ecg("SNR AF", 0)
    assert SIGNS["AF"](ecg) and not SIGNS["SNR"](ecg)
