"""Populations: the ranges from which hearts and rhythms are drawn.

TEXTBOOK is for trying, testing and teaching: its values lie well inside the criteria of a diagnosis, so that each sign
can be seen and measured. The two populations of patients are for training: their values reach the limits of the
criteria and beyond, as in real labels, and the waves and electrodes of no two patients are alike.

Networks learn more from both populations of patients than from either alone. The ranges of BROAD are wide; they were
set by hand so that QRS and T amplitudes, widths and rates spread as in 2,303 recordings of PTB-XL. The ranges of
MEASURED were found by a search. It compared the median beats of simulated recordings (sinus rhythm alone, left axis
deviation, abnormal T) with those of 1,535 recordings of PTB-XL with the same labels, ages and sexes, and brought the
quantiles of R, S and T amplitudes, ST and QRS area in each lead, QRS width and axis as close as possible. The ranges
that only other diagnoses use were set by hand from the same recordings.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from ecg.simulation.leads import DOWER, REGRESSED

Range = tuple[float, float]
Normal = tuple[float, float, float, float]  # mean, standard deviation, lowest, highest

# Activation of the ventricles: its label, or NO_BLOCK
NO_BLOCK, IRBBB, CRBBB, LBBB, NSIVCB, PACED = "no block", "IRBBB", "CRBBB", "LBBB", "NSIVCB", "PR"


@dataclass(frozen=True)
class Population:
    """Ranges of the parameters of hearts and rhythms.

    A Range is drawn from uniformly. A table maps labels to values; if a recording has several of its labels, the first
    in the table counts. Times are in s, amplitudes in mV, axes in degrees, rates in beats per minute.
    """

    lead_matrix: np.ndarray = field(compare=False)  # (8, 3): weights of the heart vector in I, II and V1 to V6
    variability: float  # of wave shapes and rhythms between people, 0 to 1
    electrode_variability: float  # of electrode positions, 0 to 1

    # Rhythm
    sinus_rates: dict[str, Range]
    usual_sinus_rate: Normal
    fibrillation_rates: dict[str, Range]
    usual_fibrillation_rate: Range
    paced_rates: tuple[Range, Range]  # with a label of a slow rate; without one
    fibrillation_irregularity: Range  # standard deviation of the logarithm of the intervals
    irregularity: Range  # the same in sinus rhythm
    breathing: Range  # amplitude of the respiratory variation of the intervals, as a fraction of their mean
    arrhythmia_breathing: Range  # the same in sinus arrhythmia
    flutter_cycle: Range

    # QRS
    qrs_widths: dict[str, Range]  # by activation of the ventricles
    axes: dict[str, Range]
    usual_axis: Normal  # the mean is that at 30 years
    infarct_fractions: dict[str, float]  # fraction of each territory among abnormal Q waves
    infarct_axes: dict[str, Range]  # the axis turns away from lost muscle
    limb_amplitude: Range  # largest peak-to-peak amplitude in a limb lead
    low_amplitude: Range  # the same with low QRS voltages
    infarct_amplitude: Range
    chest_limit: Range  # largest peak-to-peak amplitude allowed in a chest lead before chest_gain
    low_chest_limit: Range
    chest_gain: Range  # factor of the chest leads
    low_chest_gain: Range
    lbbb_chest_gain: Range
    initial_scale: Range  # factor of the textbook's initial wave
    terminal_scale: Range  # factor of the textbook's terminal wave
    right_terminal_scale: Range  # the same if that wave points to the right: right bundle branch block or right axis
    main_span: tuple[float, float]  # start and end of the main wave, except in LBBB, NSIVCB and paced beats
    terminal_start: float
    initial_sd: float  # standard deviation of the initial vector, as a fraction of the main vector
    terminal_sd: float  # the same of the terminal vector
    initial_slope: float  # turn of the initial vector to the feet per degree of axis to the left, same fraction
    ectopic_scale: Range  # amplitude of a ventricular beat, relative to limb_amplitude

    # Intervals and P
    pr: dict[str, Range]  # first-degree block comes first: its interval is longer than a merely prolonged one
    usual_pr: Range
    long_qtc: Range
    usual_qtc: Range
    p_height: Range

    # ST and T
    t_axis: tuple[float, float, float]  # limits within which T follows the QRS axis; standard deviation around it
    t_front: Range  # part of T that points to the front, as a fraction of its height
    crbbb_t_front: Range
    irbbb_t_front: Range
    lbbb_t_scale: Range  # T opposite to the QRS in LBBB and paced beats, as a fraction of the QRS amplitude
    t_scale: Range  # factor of the T height expected from the QRS amplitude
    st: Range  # ST in the direction of T
    st_front: Range  # ST to the front (V1 to V3); not in LBBB, paced beats or with a biphasic T
    st_sd: float  # standard deviation of ST (0.3 of it to the front), for findings that are not scored
    st_depression: Range  # with an abnormal T
    abnormal_t_fractions: tuple[float, float]  # fractions of flat and biphasic T; the rest is inverted
    flat_scale: Range  # factor of the height of a flat T
    flat_front_scale: Range  # the same of the part that points to the front
    inverted_scale: Range  # depth of an inverted T, relative to the usual height
    inverted_st_depression: float  # largest ST depression before an inverted T
    inversion_mixture: tuple[float, ...] | None  # Dirichlet parameters of the weights of inferior, anterior and lateral
    # inversion; None: one of the three, equally often


TEXTBOOK = Population(
    lead_matrix=DOWER,
    variability=0.0,
    electrode_variability=0.0,
    sinus_rates={"STach": (108, 138), "Brady": (36, 44), "SB": (47, 56), "SA": (64, 80)},
    usual_sinus_rate=(74, 8, 63, 94),
    fibrillation_rates={"STach": (118, 145), "Brady": (38, 46), "SB": (48, 56), "SA": (70, 105)},
    usual_fibrillation_rate=(70, 105),
    paced_rates=((50, 58), (62, 76)),
    fibrillation_irregularity=(0.27, 0.27),
    irregularity=(0.01, 0.01),
    breathing=(0.005, 0.025),
    arrhythmia_breathing=(0.16, 0.21),
    flutter_cycle=(0.190, 0.215),
    qrs_widths={
        PACED: (0.155, 0.175),
        LBBB: (0.140, 0.165),
        CRBBB: (0.136, 0.156),
        NSIVCB: (0.122, 0.138),
        IRBBB: (0.106, 0.116),
        NO_BLOCK: (0.082, 0.096),
    },
    axes={"PR": (-80, -62), "LAnFB": (-70, -52), "LAD": (-50, -36), "RAD": (106, 126)},
    usual_axis=(65, 14, 5, 80),
    infarct_fractions={"inferior": 0.6, "anterior": 0.25, "lateral": 0.15},
    infarct_axes={"inferior": (5, 30), "lateral": (60, 85)},
    limb_amplitude=(0.95, 1.6),
    low_amplitude=(0.32, 0.42),
    infarct_amplitude=(1.3, 1.8),
    chest_limit=(2.8, 2.8),
    low_chest_limit=(0.8, 0.8),
    chest_gain=(1, 1),
    low_chest_gain=(1, 1),
    lbbb_chest_gain=(1, 1),
    initial_scale=(1, 1),
    terminal_scale=(1, 1),
    right_terminal_scale=(1, 1),
    main_span=(0.014, 0.064),
    terminal_start=0.046,
    initial_sd=0.0,
    terminal_sd=0.0,
    initial_slope=0.0,
    ectopic_scale=(1.2, 1.6),
    pr={"IAVB": (0.265, 0.320), "LPR": (0.218, 0.240)},
    usual_pr=(0.135, 0.165),
    long_qtc=(0.505, 0.560),
    usual_qtc=(0.390, 0.425),
    p_height=(0.09, 0.14),
    t_axis=(20, 60, 6),
    t_front=(0.15, 0.45),
    crbbb_t_front=(-0.35, -0.35),
    irbbb_t_front=(0.15, 0.45),
    lbbb_t_scale=(0.28, 0.28),
    t_scale=(0.85, 1.2),
    st=(0.0, 0.03),
    st_front=(0.0, 0.0),
    st_sd=0.0,
    st_depression=(0.06, 0.09),
    abnormal_t_fractions=(0.5, 0.5),
    flat_scale=(0.1, 0.1),
    flat_front_scale=(0.1, 0.1),
    inverted_scale=(1.0, 1.3),
    inverted_st_depression=0.0,
    inversion_mixture=None,
)

BROAD = replace(
    TEXTBOOK,
    variability=1.0,
    electrode_variability=1.0,
    sinus_rates={"STach": (100, 150), "Brady": (34, 55), "SB": (42, 60), "SA": (52, 92)},
    usual_sinus_rate=(73, 12, 52, 102),
    fibrillation_rates={"STach": (105, 170), "Brady": (35, 55), "SB": (42, 60), "SA": (70, 105)},
    usual_fibrillation_rate=(50, 150),
    fibrillation_irregularity=(0.13, 0.30),
    irregularity=(0.005, 0.02),
    breathing=(0.003, 0.05),
    arrhythmia_breathing=(0.07, 0.28),
    flutter_cycle=(0.180, 0.260),
    qrs_widths={
        PACED: (0.140, 0.190),
        LBBB: (0.122, 0.175),
        CRBBB: (0.122, 0.170),
        NSIVCB: (0.082, 0.130),
        IRBBB: (0.080, 0.106),
        NO_BLOCK: (0.066, 0.092),
    },
    axes={"PR": (-110, -40), "LAnFB": (-85, -45), "LAD": (-70, -8), "RAD": (92, 150)},
    usual_axis=(65, 27, -20, 95),
    infarct_axes={"inferior": (-25, 30), "lateral": (40, 95)},
    limb_amplitude=(0.6, 1.75),
    low_amplitude=(0.35, 0.75),
    infarct_amplitude=(0.6, 1.75),
    chest_limit=(1.6, 4.0),
    low_chest_limit=(1.0, 3.0),
    chest_gain=(0.75, 1.35),
    low_chest_gain=(1.0, 2.2),
    lbbb_chest_gain=(0.75, 1.35),
    initial_scale=(0.3, 1.2),
    terminal_scale=(0.4, 1.1),
    right_terminal_scale=(0.4, 1.1),
    ectopic_scale=(0.9, 1.7),
    pr={"IAVB": (0.205, 0.330), "LPR": (0.200, 0.250)},
    usual_pr=(0.120, 0.175),
    long_qtc=(0.465, 0.560),
    usual_qtc=(0.370, 0.450),
    p_height=(0.05, 0.19),
    t_axis=(0, 75, 15),
    t_front=(0.1, 1.3),
    crbbb_t_front=(-0.5, 0.0),
    irbbb_t_front=(0.1, 1.3),
    t_scale=(0.5, 1.2),
    st=(-0.03, 0.06),
    st_sd=0.025,
    st_depression=(-0.01, 0.06),
    abnormal_t_fractions=(0.75, 0.08),
    flat_scale=(0.0, 0.65),
    flat_front_scale=(0.3, 1.0),
    inverted_scale=(0.3, 1.3),
    inversion_mixture=(0.4, 0.4, 0.8),
)

MEASURED = replace(
    BROAD,
    lead_matrix=REGRESSED,
    electrode_variability=0.55,
    qrs_widths=BROAD.qrs_widths | {NSIVCB: (0.074, 0.122), NO_BLOCK: (0.056, 0.088)},
    axes={"PR": (-110, -40), "LAnFB": (-82, -28), "LAD": (-66, 18), "RAD": (85, 140), "LBBB": (-50, 45)},
    usual_axis=(45, 35, -18, 84),
    infarct_fractions={"inferior": 0.75, "anterior": 0.1, "lateral": 0.15},
    infarct_axes={"inferior": (-45, 20), "lateral": (40, 95)},
    limb_amplitude=(0.7, 1.8),
    infarct_amplitude=(0.8, 2.0),
    chest_limit=(2.3, 4.0),
    chest_gain=(0.75, 1.15),
    low_chest_gain=(0.8, 1.5),
    lbbb_chest_gain=(1.0, 1.8),
    initial_scale=(0.5, 1.3),
    terminal_scale=(0.7, 2.0),
    right_terminal_scale=(0.2, 1.0),
    main_span=(0.013, 0.054),
    terminal_start=0.045,
    initial_sd=0.12,
    terminal_sd=0.18,
    initial_slope=0.0018,
    t_axis=(42, 58, 22),
    t_front=(0.1, 0.58),
    irbbb_t_front=(-0.1, 0.6),
    lbbb_t_scale=(0.04, 0.2),
    t_scale=(0.43, 1.16),
    st=(-0.035, 0.055),
    st_front=(0.02, 0.09),
    st_sd=0.03,
    st_depression=(0.0, 0.015),
    flat_scale=(0.25, 0.75),
    flat_front_scale=(0.55, 1.0),
    inverted_scale=(0.5, 1.7),
    inverted_st_depression=0.1,
    inversion_mixture=(0.1, 0.4, 0.8),
)

PATIENTS = (BROAD, MEASURED)
