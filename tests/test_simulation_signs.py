"""A simulated ECG shows the sign of each of its labels; a normal one shows none but that of sinus rhythm.

The signs are measured on recordings without noise, independently of the simulator: from peaks of the signal and the
times and areas between them.
"""

import numpy as np
import pytest
from scipy.signal import find_peaks

from ecg.classes import ABBREVIATIONS, load_weights
from ecg.data.lead_names import LEADS
from ecg.simulation.cases import scored_classes
from ecg.simulation.rhythm import ATRIAL, SINUS, VENTRICULAR, Rhythm, draw_beats
from ecg.simulation.signal import simulate_signal

RATE = 500  # Hz
SECONDS = 20
TERRITORIES = (("II", "III", "aVF"), ("V2", "V3"), ("I", "V5", "V6"))


class Ecg:
    """A recording without noise, in mV, and measurements on it.

    Methods with a ``number`` measure that beat; without a number, a beat after an interval of median length.
    """

    def __init__(self, labels: str, seed: int):
        rng = np.random.default_rng([1, seed])
        counts = simulate_signal(labels.split(), 60, "male", RATE, SECONDS, rng, noise=False)
        self.leads = dict(zip(LEADS, counts / 1000))
        self.steepness = np.abs(np.gradient(counts / 1000, axis=1)).sum(axis=0)
        hump = np.convolve(self.steepness, np.ones(50) / 50, "same")  # one peak per QRS, notched or not
        peaks, _ = find_peaks(hump, height=0.35 * hump.max(), distance=RATE // 4)
        self.peaks = peaks[(peaks > RATE) & (peaks < (SECONDS - 1) * RATE)]
        self.intervals = np.diff(self.peaks) / RATE
        self.interval = np.median(self.intervals)
        self.rate = 60 / self.interval
        self.usual = 1 + int(np.argmin(np.abs(self.intervals[:-1] - self.interval)))
        self.premature = 1 + int(np.argmin(self.intervals[:-1]))  # the beat after the shortest interval

    def qrs(self, number: int | None = None) -> tuple[int, int]:
        """The first and last sample of the QRS, in which the leads are steep except for moments at its peaks."""
        middle = self.peaks[self.usual if number is None else number]
        steep = np.convolve(self.steepness > 0.1 * np.quantile(self.steepness, 0.97), np.ones(13), "same") > 0
        return (
            middle - int(np.argmin(steep[middle::-1])) + 6,
            middle + int(np.argmin(steep[middle:])) - 6,
        )

    def width(self, number: int | None = None) -> float:
        """The width of the QRS in s."""
        begin, end = self.qrs(number)
        return (end - begin) / RATE

    def beat(self, lead: str, number: int | None = None) -> np.ndarray:
        """The QRS in ``lead``, relative to its first value."""
        begin, end = self.qrs(number)
        return self.leads[lead][begin - 3 : end + 4] - self.leads[lead][begin - 3]

    def amplitude(self, leads: tuple[str, ...]) -> float:
        """The largest peak-to-peak amplitude of the QRS in ``leads``."""
        return max(np.ptp(self.beat(lead)) for lead in leads)

    def net_area(self, lead: str, number: int | None = None) -> float:
        return self.beat(lead, number).sum()

    def axis(self) -> float:
        """The axis of the QRS in degrees, from the net areas in I and aVF."""
        return float(np.degrees(np.arctan2(self.net_area("aVF") * 2 / np.sqrt(3), self.net_area("I"))))

    def p(self, number: int | None = None) -> tuple[float, float]:
        """The height (mV) of P in II and the PR interval (s). P is the last wave in the 0.38 s before the QRS."""
        begin, _ = self.qrs(number)
        span = self.leads["II"][begin - 190 : begin] - self.leads["II"][begin - 10]
        peaks, _ = find_peaks(np.abs(span[:-10]), height=0.05, prominence=0.03, width=(10, 45))
        if not len(peaks):
            return 0.0, 0.0
        height = span[peaks[-1]]
        before = np.flatnonzero(np.abs(span[: peaks[-1]]) < 0.1 * abs(height))
        return height, (len(span) - before[-1]) / RATE if len(before) else 0.0

    def t(self, lead: str, number: int | None = None) -> np.ndarray:
        """T in ``lead``: the 0.3 s from 60 ms after the QRS, relative to the level before the QRS."""
        begin, end = self.qrs(number)
        return self.leads[lead][end + 30 : end + 180] - self.leads[lead][begin - 3]

    def qtc(self) -> float:
        """QTc in s by Bazett. T ends where the tangent to its steepest fall in II meets the level before the QRS."""
        begin, end = self.qrs()
        span = self.leads["II"][end + 30 :] - self.leads["II"][begin - 3]
        peak = int(np.argmax(span[:170]))
        slope = np.gradient(span)[peak : peak + 60]
        steepest = peak + int(np.argmin(slope))
        end_of_t = end + 30 + steepest - span[steepest] / min(slope.min(), -1e-3)
        return (end_of_t - begin) / RATE / np.sqrt(self.interval)

    def q(self, lead: str) -> tuple[float, float]:
        """The length (s) and depth (fraction of the R wave) of the Q wave."""
        beat = self.beat(lead)
        first = beat[: int(np.argmax(beat > 0.03)) or None]
        return (first < -0.02).sum() / RATE, -first.min() / max(beat.max(), 0.1)

    def flutter(self) -> float:
        """The largest amplitude (mV) in aVF between the QRS complexes at 270 to 325 waves per minute."""
        lead = self.leads["aVF"].copy()
        for middle in self.peaks:
            lead[middle - 40 : middle + 40] = np.linspace(lead[middle - 40], lead[middle + 40], 80)
        part = lead[self.peaks[0] : self.peaks[-1]]
        amplitude = 2 * np.abs(np.fft.rfft(part - part.mean())) / len(part)
        frequency = np.fft.rfftfreq(len(part), 1 / RATE)
        return amplitude[(frequency > 4.5) & (frequency < 5.4)].max()

    def has_p(self) -> bool:
        """Whether the mean beat has a P wave in II."""
        onsets = self.peaks - (self.peaks[self.usual] - self.qrs()[0])
        mean = np.mean([self.leads["II"][onset - 100 : onset - 5] for onset in onsets], axis=0)
        return bool(mean.max() - max(mean[0], mean[-1]) > 0.04)

    def is_regular(self) -> bool:
        return np.ptp(self.intervals) < 0.12

    def has_premature_beat(self, pause: float) -> bool:
        """Whether there is a premature beat whose next interval is longer than ``pause`` median intervals."""
        before, after = self.intervals[self.premature - 1 : self.premature + 1] / self.interval
        return before < 0.75 and after > pause


def count_peaks(beat: np.ndarray, prominence: float) -> int:
    return len(find_peaks(beat, height=0.05, prominence=prominence)[0])


def has_q(ecg: Ecg, lead: str) -> bool:
    time, depth = ecg.q(lead)
    return time > 0.03 and depth > 0.25


def is_inverted(t: np.ndarray) -> bool:
    return -t.min() > max(0.1, 2 * t.max())


def is_abnormal(t: np.ndarray) -> bool:
    """Whether T is flat, or negative and then positive."""
    return bool(t.max() < 0.06 or (t.min() < -0.04 and np.argmin(t) < np.argmax(t)))


SIGNS = {
    "SNR": lambda ecg: 60 <= ecg.rate <= 100 and ecg.is_regular() and ecg.p()[0] > 0.05,
    "SB": lambda ecg: ecg.rate < 60 and ecg.has_p(),
    "Brady": lambda ecg: ecg.rate < 50,
    "STach": lambda ecg: ecg.rate > 100 and ecg.is_regular(),
    "SA": lambda ecg: ecg.has_p() and np.ptp(ecg.intervals) > 0.2 and np.abs(np.diff(ecg.intervals)).max() < 0.3,
    "AF": lambda ecg: ecg.intervals.std() > 0.12 * ecg.intervals.mean() and not ecg.has_p(),
    "AFL": lambda ecg: ecg.flutter() > 0.05,
    "PAC": lambda ecg: (
        ecg.has_premature_beat(pause=1.05) and ecg.width(ecg.premature) < 0.11 and ecg.p(ecg.premature)[0] < -0.05
    ),
    "PVC": lambda ecg: (
        ecg.has_premature_beat(pause=1.25)
        and ecg.width(ecg.premature) > 0.13
        and ecg.net_area("V1", ecg.premature) * ecg.t("V1", ecg.premature).sum() < 0  # T opposite to the QRS
    ),
    "PR": lambda ecg: ecg.width() > 0.13 and np.diff(ecg.beat("II"))[:12].min() < -0.1 and not ecg.has_p(),
    "IAVB": lambda ecg: ecg.p()[1] > 0.24,
    "LPR": lambda ecg: ecg.p()[1] > 0.2,
    "LQT": lambda ecg: ecg.qtc() > 0.48,
    "CRBBB": lambda ecg: (
        ecg.width() > 0.12 and count_peaks(ecg.beat("V1"), 0.08) == 2 and ecg.beat("V6")[-35:].min() < -0.1
    ),
    "IRBBB": lambda ecg: 0.1 <= ecg.width() < 0.12 and count_peaks(ecg.beat("V1"), 0.08) == 2,
    "LBBB": lambda ecg: (
        ecg.width() > 0.12
        and ecg.net_area("V1") < 0
        and count_peaks(ecg.beat("I"), 0.02) == 2
        and is_inverted(ecg.t("V6"))
    ),
    "NSIVCB": lambda ecg: ecg.width() > 0.11 and ecg.beat("V1")[-30:].max() < 0.1 and not is_inverted(ecg.t("V6")),
    "LAnFB": lambda ecg: -80 < ecg.axis() < -45 and ecg.q("aVL")[0] > 0 and ecg.q("III")[0] == 0,
    "LAD": lambda ecg: -80 < ecg.axis() < -30,
    "RAD": lambda ecg: 100 < ecg.axis() < 150,
    "LQRSV": lambda ecg: ecg.amplitude(LEADS[:6]) < 0.5 and ecg.amplitude(LEADS[6:]) < 1,
    "QAb": lambda ecg: any(all(has_q(ecg, lead) for lead in leads) for leads in TERRITORIES),
    "TAb": lambda ecg: all(is_abnormal(ecg.t(lead)) for lead in ("I", "II", "V4", "V5", "V6")),
    "TInv": lambda ecg: any(all(is_inverted(ecg.t(lead)) for lead in leads) for leads in TERRITORIES),
}


def test_every_class_has_a_sign():
    assert set(SIGNS) == set(scored_classes()) == {ABBREVIATIONS[code] for code in load_weights().classes}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("label", SIGNS)
def test_each_label_is_visible(label, seed):
    assert SIGNS[label](Ecg(label, seed))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("label", sorted(set(SIGNS) - {"SNR"}))
def test_a_normal_ecg_shows_no_other_sign(label, seed):
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
def test_several_labels_are_visible_together(labels):
    ecg = Ecg(labels, 0)
    assert [label for label in labels.split() if not SIGNS[label](ecg)] == []


@pytest.mark.parametrize("seconds", [6, 10])
def test_a_short_recording_has_both_kinds_of_premature_beats(seconds):
    rhythm = Rhythm(SINUS, interval=0.8, irregularity=0.01, premature=(VENTRICULAR, ATRIAL))
    for seed in range(200):
        beats = draw_beats(rhythm, seconds, variability=seed % 2, rng=np.random.default_rng(seed))
        assert {ATRIAL, VENTRICULAR} <= {beat.kind for beat in beats if 0 < beat.onset < seconds}


def test_the_stronger_rhythm_wins():
    ecg = Ecg("SNR AF", 0)
    assert SIGNS["AF"](ecg) and not SIGNS["SNR"](ecg)
