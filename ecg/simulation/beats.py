"""The waves of one beat: P, QRS, ST and T as excursions of the heart vector.

Directions, and the times that no population sets, are the textbook's. The septum is activated first, to the right and
the front; then the left ventricle, to the left, the feet and the back; the base last. In a bundle branch block, the
blocked ventricle is activated last and slowly. Vectors of the QRS are fractions of its main vector until
``Heart.limb_amplitude`` scales them to mV.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from ecg.simulation.dipole import Vector, Wave, add, beat_vector, scale, symmetric_wave
from ecg.simulation.leads import measured_leads, twelve_leads
from ecg.simulation.population import CRBBB, IRBBB, LBBB, NO_BLOCK, NSIVCB, PACED

RIGHT_VENTRICLE_FIRST = (LBBB, PACED)  # the septum is activated from the right: no septal wave, T opposite to the QRS
ZERO: Vector = (0.0, 0.0, 0.0)

# The initial wave of the QRS: its end in s and its vector. Those of INFARCTS are pathologic Q waves.
INITIAL_WAVES: dict[str, tuple[float, Vector]] = {
    "septum": (0.040, (-0.10, -0.06, 0.30)),
    "posterior fascicle": (0.040, (-0.22, 0.36, 0.22)),
    "inferior": (0.056, (0.05, -0.56, 0.10)),
    "anterior": (0.060, (0.05, 0.00, -0.50)),
    "lateral": (0.056, (-0.54, -0.05, 0.20)),
}
INFARCTS = ("inferior", "anterior", "lateral")
# The vector of the terminal wave of the QRS.
TERMINAL_WAVES: dict[str, Vector] = {
    NO_BLOCK: (-0.08, -0.10, -0.32),
    IRBBB: (-0.20, 0.00, 0.26),
    CRBBB: (-0.42, 0.05, 0.55),
    NSIVCB: (-0.12, -0.22, -0.25),
}
RIGHT_AXIS_TERMINAL_WAVE: Vector = (-0.75, -0.05, 0.05)  # a deep S in I, V5 and V6


@dataclass(frozen=True)
class Heart:
    """Parameters of one person's beats. Times are in s, amplitudes and vectors in mV unless stated otherwise."""

    conduction: str  # activation of the ventricles: NO_BLOCK, IRBBB, CRBBB, LBBB, NSIVCB or PACED
    initial: str  # a key of INITIAL_WAVES
    axis: float  # of the net area of the QRS in the frontal plane, degrees
    lead_matrix: np.ndarray = field(compare=False)  # (8, 3): weights of the heart vector in I, II and V1 to V6
    limb_amplitude: float  # largest peak-to-peak amplitude of the QRS in a limb lead
    chest_limit: float  # largest that is allowed in a chest lead before chest_gain
    main_span: tuple[float, float]  # start and end of the main wave, except in LBBB, NSIVCB and paced beats
    terminal_start: float  # start of the terminal wave, with the same exceptions
    qrs: float
    pr: float
    qt: float
    p_height: float  # in the direction of P
    t: Vector
    initial_scale: float = 1.0  # factor of the textbook's initial wave
    terminal_scale: float = 1.0  # factor of the textbook's terminal wave
    initial_offset: Vector = ZERO  # added to the initial wave, as a fraction of the main vector
    terminal_offset: Vector = ZERO  # added to the terminal wave, as a fraction of the main vector
    chest_gain: float = 1.0  # factor of the chest leads
    variability: float = 0.0  # of all waves around the textbook's, 0 to 1
    t_first: Vector = ZERO  # first half of a biphasic T
    st: Vector = ZERO
    ectopic: Vector = ZERO  # peak of a premature ventricular beat


def vary_waves(waves: Iterable[Wave], variability: float, rng: np.random.Generator) -> list[Wave]:
    """``waves`` with small random changes of time, width, amplitude and direction."""
    return [
        Wave(
            wave.peak + 0.004 * variability * rng.normal(),
            wave.rise * math.exp(0.12 * variability * rng.normal()),
            wave.fall * math.exp(0.12 * variability * rng.normal()),
            _vary_vector(np.array(wave.vector), variability, rng),
        )
        for wave in waves
    ]


def _vary_vector(vector: np.ndarray, variability: float, rng: np.random.Generator) -> Vector:
    size = math.sqrt(sum(part**2 for part in vector.tolist()))
    factors = math.exp(0.2 * variability * rng.normal()) * np.exp(0.15 * variability * rng.normal(size=3))
    return add(vector * factors, 0.08 * variability * size * rng.normal(size=3))


def p_waves(height: float, pr: float) -> list[Wave]:
    """P, from ``pr`` seconds before the QRS: the right atrium, to the front, then the left one, to the back."""
    right, left = (0.42, 0.68, 0.45), (0.62, 0.50, -0.35)
    return [
        symmetric_wave(-pr, -pr + 0.075, scale(right, 0.75 * height)),
        symmetric_wave(-pr + 0.028, -pr + 0.105, scale(left, 0.75 * height)),
    ]


def ectopic_p_waves(height: float, pr: float, variability: float, rng: np.random.Generator) -> list[Wave]:
    """P of a premature atrial beat. It begins low in the atria, so P is inverted in II, III and aVF.

    With variability, it can begin anywhere.
    """
    direction = (0.25, -0.95, 0.3) if rng.random() >= 0.5 * variability else scale(rng.normal(size=3), 0.6)
    return [symmetric_wave(-pr, -pr + 0.085, scale(direction, height))]


def qrs_waves(heart: Heart, rng: np.random.Generator) -> list[Wave]:
    """The QRS, from 0 s to ``heart.qrs``, with the axis and amplitude of ``heart``."""
    initial, main, terminal = (vary_waves(waves, heart.variability, rng) for waves in _qrs_parts(heart))
    # The axis is that of the net area, so the main waves compensate for the initial and terminal ones.
    net = sum(wave.area[0] for wave in main)
    rest = sum((wave.area for wave in initial + terminal), np.zeros(3)) / net
    angle = math.radians(heart.axis)
    frontal = np.array([math.cos(angle) - rest[0], math.sin(angle) - rest[1], 0])
    turned = [replace(wave, vector=scale(frontal + [0, 0, wave.vector[2]], wave.vector[0])) for wave in main]
    return _scale_qrs(initial + turned + terminal, heart)


def _qrs_parts(heart: Heart) -> tuple[list[Wave], list[Wave], list[Wave]]:
    """The initial, main and terminal waves of the QRS.

    The main waves have no axis yet: x is the amplitude of each, z the part of it that points to the front.
    """
    end, vector = INITIAL_WAVES[heart.initial]
    infarcted = heart.initial in INFARCTS
    delay = 0.018 if infarcted else 0.0  # a pathologic Q wave delays the R wave
    initial = [symmetric_wave(0, end, add(scale(vector, heart.initial_scale), heart.initial_offset))]
    if heart.conduction in RIGHT_VENTRICLE_FIRST:
        middle = delay + 0.5 * heart.qrs
        main = [
            symmetric_wave(delay, middle + 0.016, (0.85, 0, -0.45)),
            symmetric_wave(middle - 0.026, heart.qrs, (1.0, 0, -0.95)),
        ]
        return (initial if infarcted else []), main, []
    if heart.conduction == NSIVCB:  # slow and notched, but from left to right as without block
        main = [
            symmetric_wave(0.014 + delay, min(0.076 + delay, heart.qrs), (1.0, 0, -0.3)),
            symmetric_wave(min(0.060 + delay, heart.qrs - 0.048), heart.qrs - 0.018, (0.6, 0, -0.4)),
        ]
        vector = add(TERMINAL_WAVES[NSIVCB], heart.terminal_offset)
        return initial, main, [symmetric_wave(heart.qrs - 0.048, heart.qrs, vector)]
    main = [symmetric_wave(heart.main_span[0] + delay, heart.main_span[1] + delay, (1.0, 0, -0.35))]
    right_axis = heart.conduction == NO_BLOCK and heart.axis > 90
    vector = RIGHT_AXIS_TERMINAL_WAVE if right_axis else TERMINAL_WAVES[heart.conduction]
    vector = add(scale(vector, heart.terminal_scale), heart.terminal_offset)
    start = min(heart.terminal_start + delay, heart.qrs - 0.03)
    return initial, main, [symmetric_wave(start, heart.qrs, vector)]


def _scale_qrs(waves: list[Wave], heart: Heart) -> list[Wave]:
    """``waves`` scaled to the heart's ``limb_amplitude``, or to its ``chest_limit`` if that is smaller."""
    times = np.arange(-0.02, 0.25, 0.002)
    amplitudes = np.ptp(twelve_leads(measured_leads(beat_vector(waves, times), heart.lead_matrix)), axis=1)
    factor = min(heart.limb_amplitude / amplitudes[:6].max(), heart.chest_limit / amplitudes[6:].max())
    return [replace(wave, vector=scale(wave.vector, factor)) for wave in waves]


def t_waves(heart: Heart, rng: np.random.Generator) -> list[Wave]:
    """ST, T and, in some hearts with variability, a U wave.

    The tangent to the fall of T meets the baseline at QT: 2 standard deviations after its peak.
    """
    fall = 0.085 * heart.qt
    rise = 1.5 * fall * math.exp(0.15 * heart.variability * rng.normal())
    peak = heart.qt - 2 * fall
    waves = [
        symmetric_wave(heart.qrs - 0.02, peak, heart.st),
        Wave(peak - 2.2 * fall, 0.9 * rise, fall, heart.t_first),
        Wave(peak, rise, fall, heart.t),
    ]
    if rng.random() < 0.3 * heart.variability:
        waves.append(symmetric_wave(heart.qt + 0.01, heart.qt + 0.16, scale(heart.t, rng.uniform(0.05, 0.2))))
    return vary_waves(waves, heart.variability, rng)


def ventricular_waves(heart: Heart, rng: np.random.Generator) -> list[Wave]:
    """A premature ventricular beat: wide and notched, in the direction of ``heart.ectopic``, with opposite ST and T."""
    width = 0.155 * math.exp(0.12 * heart.variability * rng.normal())
    peak = max(heart.qt - 0.05, width + 0.14)
    waves = [
        symmetric_wave(0, 0.095, scale(heart.ectopic, 0.7)),
        symmetric_wave(0.040, width, heart.ectopic),
        symmetric_wave(width - 0.03, peak, scale(heart.ectopic, -0.1)),
        Wave(peak, 0.06, 0.045, scale(heart.ectopic, -0.4)),
    ]
    return vary_waves(waves, heart.variability, rng)


def pacing_spike(rate: float) -> Wave:
    """The spike of the pacemaker, just before the QRS, wide enough to be visible when sampled at ``rate`` Hz."""
    width = max(0.0008, 0.4 / rate)
    return Wave(-0.006, width, width, (-0.25, -0.8, 0.3))
