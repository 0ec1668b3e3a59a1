"""Whose hearts are drawn: the textbook's, or patients'.

The textbook's lie well inside the criteria of a diagnosis, so that it can be seen and measured: they are to be tried
and taught with. Patients' reach to the criteria's limits and beyond, as readers label them, and no two of them have
waves or electrodes in the same place: they are to learn from.

There are two kinds of patients, as networks learn more from both than from either. The ranges of BROAD were set by
hand so that heights of QRS and T, widths and rates spread as in 2,303 recordings of PTB-XL, and otherwise reach far.
Those of MEASURED were searched for: in median beats of simulated recordings (sinus rhythm alone, left axis deviation,
abnormal T) the heights of R, S and T, ST and the QRS's area in each lead, its width and its axis have quantiles as near
as could be to those in 1,535 recordings of PTB-XL with the same labels, ages and sexes. What only other diagnoses have
was set by hand to the same recordings.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from ecg.simulation.leads import AFTER_DOWER, REGRESSED

Range = tuple[float, float]

USUAL, RIGHT_INCOMPLETE, RIGHT, LEFT, UNSPECIFIC, PACED = "usual", "IRBBB", "CRBBB", "LBBB", "NSIVCB", "paced"


@dataclass(frozen=True)
class Population:
    """From where to where a person's values are; labels decide between them, in the order they stand here.

    Times are in s, heights in mV, axes in degrees, rates in beats a minute; the second range of a rate is that of
    atrial fibrillation. ``variety``, from 0 to 1, is how far the shapes of waves and the courses of rhythms differ
    between people.
    """

    leads: np.ndarray = field(compare=False)  # (8, 3): what I, II and V1 to V6 show of the heart vector
    variety: float
    electrode_variety: float  # the same of the places of electrodes

    # the rhythm
    rates: tuple[tuple[str, Range, Range], ...]
    usual_rate: tuple[float, float, float, float]  # mean, standard deviation, lowest, highest
    paced_rates: tuple[Range, Range]  # with a label of slowness, without
    fibrillation_irregularity: Range  # the standard deviation of the intervals' logarithm
    irregularity: Range
    breathing: Range  # the swing of the intervals with the breath, to either side
    arrhythmia: Range  # the same in sinus arrhythmia
    flutter_cycle: Range

    # the QRS
    conductions: tuple[tuple[str, str, Range], ...]  # how the ventricles are activated, and how long that takes
    usual_width: Range
    axes: tuple[tuple[str, Range], ...]
    usual_axis: tuple[float, float, float, float]  # mean at 30 years, standard deviation, lowest, highest
    infarct_places: dict[str, float]  # how often abnormal Q waves are those of each territory
    infarct_axes: dict[str, Range]  # the axis turns away from where muscle is lost
    height: Range  # the greatest swing in a limb lead
    low_height: Range
    infarct_height: Range
    chest: Range  # the most that a chest lead may swing
    low_chest: Range
    chest_gain: Range  # how much more than their place says the chest leads show
    low_chest_gain: Range
    left_chest_gain: Range  # the same in left bundle branch block
    beginning: Range  # how strong the first wave of the QRS is, in parts of the textbook's
    ending: Range  # and how strong its last wave
    right_ending: Range  # the same where the last wave points to the right: blocks of the right branch, a right axis
    main: tuple[float, float]  # when the main wave is seen, s, where the left branch conducts: in everybody
    last: float  # and from when on the last wave is
    beginning_scatter: float  # the standard deviation of the first wave's direction, in parts of the main wave
    ending_scatter: float  # and of the last one's
    beginning_follows: float  # so much more to the feet the first wave points for each degree of axis to the left
    ectopic: Range  # a ventricular beat's height, in parts of the QRS's

    # the intervals
    pr: tuple[tuple[str, Range], ...]
    usual_pr: Range
    long_qtc: Range
    usual_qtc: Range
    p: Range

    # ST and T
    t_axis: tuple[float, float, float]  # lowest and highest, as far as it follows the QRS; standard deviation around it
    t_front: Range  # how far to the front T points, in parts of its height
    right_t_front: Range  # the same in right bundle branch block
    incomplete_t_front: Range  # and in an incomplete one
    left_t: Range  # how far T is against the QRS in the frontal plane, in LBBB and paced, in parts of the QRS's height
    t_height: Range  # in parts of what goes with the QRS
    st: Range  # in the direction of T
    st_front: Range  # to the front, mV: V1 to V3 show it in everybody but in LBBB, paced, or with a biphasic T
    st_scatter: float  # the standard deviation of ST, to the front 0.3 of it: findings that are no scored class
    depression: Range  # of ST, where T is abnormal
    abnormal: tuple[float, float]  # the parts of abnormal Ts that are flat, biphasic; the others are inverted
    flat: Range  # what is left of a flat T's height
    flat_front: Range  # and of what it has to the front
    inverted: Range  # an inverted T's depth, in parts of the usual height
    inverted_depression: float  # the most that ST is depressed under it
    inverted_places: tuple[float, ...] | None  # parameters of the Dirichlet distribution of its territories, inferior,
    # anterior and lateral, which overlap; None: it is one of these, each as often


TEXTBOOK = Population(
    leads=AFTER_DOWER,
    variety=0.0,
    electrode_variety=0.0,
    rates=(
        ("STach", (108, 138), (118, 145)),
        ("Brady", (36, 44), (38, 46)),
        ("SB", (47, 56), (48, 56)),
        ("SA", (64, 80), (70, 105)),
        ("AF", (70, 105), (70, 105)),
    ),
    usual_rate=(74, 8, 63, 94),
    paced_rates=((50, 58), (62, 76)),
    fibrillation_irregularity=(0.27, 0.27),
    irregularity=(0.01, 0.01),
    breathing=(0.005, 0.025),
    arrhythmia=(0.16, 0.21),
    flutter_cycle=(0.190, 0.215),
    conductions=(
        ("PR", PACED, (0.155, 0.175)),
        ("LBBB", LEFT, (0.140, 0.165)),
        ("CRBBB", RIGHT, (0.136, 0.156)),
        ("NSIVCB", UNSPECIFIC, (0.122, 0.138)),
        ("IRBBB", RIGHT_INCOMPLETE, (0.106, 0.116)),
    ),
    usual_width=(0.082, 0.096),
    axes=(("PR", (-80, -62)), ("LAnFB", (-70, -52)), ("LAD", (-50, -36)), ("RAD", (106, 126))),
    usual_axis=(65, 14, 5, 80),
    infarct_places={"inferior": 0.6, "anterior": 0.25, "lateral": 0.15},
    infarct_axes={"inferior": (5, 30), "lateral": (60, 85)},
    height=(0.95, 1.6),
    low_height=(0.32, 0.42),
    infarct_height=(1.3, 1.8),
    chest=(2.8, 2.8),
    low_chest=(0.8, 0.8),
    chest_gain=(1, 1),
    low_chest_gain=(1, 1),
    left_chest_gain=(1, 1),
    beginning=(1, 1),
    ending=(1, 1),
    right_ending=(1, 1),
    main=(0.014, 0.064),
    last=0.046,
    beginning_scatter=0.0,
    ending_scatter=0.0,
    beginning_follows=0.0,
    ectopic=(1.2, 1.6),
    pr=(("IAVB", (0.265, 0.320)), ("LPR", (0.218, 0.240))),
    usual_pr=(0.135, 0.165),
    long_qtc=(0.505, 0.560),
    usual_qtc=(0.390, 0.425),
    p=(0.09, 0.14),
    t_axis=(20, 60, 6),
    t_front=(0.15, 0.45),
    right_t_front=(-0.35, -0.35),
    incomplete_t_front=(0.15, 0.45),
    left_t=(0.28, 0.28),
    t_height=(0.85, 1.2),
    st=(0.0, 0.03),
    st_front=(0.0, 0.0),
    st_scatter=0.0,
    depression=(0.06, 0.09),
    abnormal=(0.5, 0.5),
    flat=(0.1, 0.1),
    flat_front=(0.1, 0.1),
    inverted=(1.0, 1.3),
    inverted_depression=0.0,
    inverted_places=None,
)

BROAD = replace(
    TEXTBOOK,
    variety=1.0,
    electrode_variety=1.0,
    rates=(
        ("STach", (100, 150), (105, 170)),
        ("Brady", (34, 55), (35, 55)),
        ("SB", (42, 60), (42, 60)),
        ("SA", (52, 92), (70, 105)),
        ("AF", (55, 130), (50, 150)),
    ),
    usual_rate=(73, 12, 52, 102),
    fibrillation_irregularity=(0.13, 0.30),
    irregularity=(0.005, 0.02),
    breathing=(0.003, 0.05),
    arrhythmia=(0.07, 0.28),
    flutter_cycle=(0.180, 0.260),
    conductions=(
        ("PR", PACED, (0.140, 0.190)),
        ("LBBB", LEFT, (0.122, 0.175)),
        ("CRBBB", RIGHT, (0.122, 0.170)),
        ("NSIVCB", UNSPECIFIC, (0.082, 0.130)),
        ("IRBBB", RIGHT_INCOMPLETE, (0.080, 0.106)),
    ),
    usual_width=(0.066, 0.092),
    axes=(("PR", (-110, -40)), ("LAnFB", (-85, -45)), ("LAD", (-70, -8)), ("RAD", (92, 150))),
    usual_axis=(65, 27, -20, 95),
    infarct_axes={"inferior": (-25, 30), "lateral": (40, 95)},
    height=(0.6, 1.75),
    low_height=(0.35, 0.75),
    infarct_height=(0.6, 1.75),
    chest=(1.6, 4.0),
    low_chest=(1.0, 3.0),
    chest_gain=(0.75, 1.35),
    low_chest_gain=(1.0, 2.2),
    left_chest_gain=(0.75, 1.35),
    beginning=(0.3, 1.2),
    ending=(0.4, 1.1),
    right_ending=(0.4, 1.1),
    ectopic=(0.9, 1.7),
    pr=(("IAVB", (0.205, 0.330)), ("LPR", (0.200, 0.250))),
    usual_pr=(0.120, 0.175),
    long_qtc=(0.465, 0.560),
    usual_qtc=(0.370, 0.450),
    p=(0.05, 0.19),
    t_axis=(0, 75, 15),
    t_front=(0.1, 1.3),
    right_t_front=(-0.5, 0.0),
    incomplete_t_front=(0.1, 1.3),
    t_height=(0.5, 1.2),
    st=(-0.03, 0.06),
    st_scatter=0.025,
    depression=(-0.01, 0.06),
    abnormal=(0.75, 0.08),
    flat=(0.0, 0.65),
    flat_front=(0.3, 1.0),
    inverted=(0.3, 1.3),
    inverted_places=(0.4, 0.4, 0.8),
)

MEASURED = replace(
    BROAD,
    leads=REGRESSED,
    electrode_variety=0.55,
    conductions=(
        ("PR", PACED, (0.140, 0.190)),
        ("LBBB", LEFT, (0.122, 0.175)),
        ("CRBBB", RIGHT, (0.122, 0.170)),
        ("NSIVCB", UNSPECIFIC, (0.074, 0.122)),
        ("IRBBB", RIGHT_INCOMPLETE, (0.080, 0.106)),
    ),
    usual_width=(0.056, 0.088),
    axes=(
        ("PR", (-110, -40)),
        ("LAnFB", (-82, -28)),
        ("LAD", (-66, 18)),
        ("RAD", (85, 140)),
        ("LBBB", (-50, 45)),
    ),
    usual_axis=(45, 35, -18, 84),
    infarct_places={"inferior": 0.75, "anterior": 0.1, "lateral": 0.15},
    infarct_axes={"inferior": (-45, 20), "lateral": (40, 95)},
    height=(0.7, 1.8),
    infarct_height=(0.8, 2.0),
    chest=(2.3, 4.0),
    chest_gain=(0.75, 1.15),
    low_chest_gain=(0.8, 1.5),
    left_chest_gain=(1.0, 1.8),
    beginning=(0.5, 1.3),
    ending=(0.7, 2.0),
    right_ending=(0.2, 1.0),
    main=(0.013, 0.054),
    last=0.045,
    beginning_scatter=0.12,
    ending_scatter=0.18,
    beginning_follows=0.0018,
    t_axis=(42, 58, 22),
    t_front=(0.1, 0.58),
    incomplete_t_front=(-0.1, 0.6),
    left_t=(0.04, 0.2),
    t_height=(0.43, 1.16),
    st=(-0.035, 0.055),
    st_front=(0.02, 0.09),
    st_scatter=0.03,
    depression=(0.0, 0.015),
    flat=(0.25, 0.75),
    flat_front=(0.55, 1.0),
    inverted=(0.5, 1.7),
    inverted_depression=0.1,
    inverted_places=(0.1, 0.4, 0.8),
)

PATIENTS = (BROAD, MEASURED)  # they take turns
