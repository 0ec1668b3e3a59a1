"""From the heart vector to the twelve leads.

The limb leads see it by Einthoven's equilateral triangle. The chest leads see it much as in the matrix of Dower (Dower,
Machado and Osborne, On deriving the electrocardiogram from vectorcardiographic leads, Clin Cardiol 1980), here with z
to the front and 1.5 times as large, in units of lead I; besides V2 to V4 see what points to the front, and V4 to V6
what points to the left, up to 1.4 times as well as there: as tall beside the limb leads as PTB-XL's are. Or they see it
as in patients: least squares of the QRS in I, aVF and V2 (of which the first matrix gives z), over the median beats of
1,535 recordings of PTB-XL. There V3 to V6 see far more of what points to the feet. Eight leads are measured, I, II and
V1 to V6; the other four follow from I and II.
"""

import math

import numpy as np

LIMB = np.array([[1.0, 0.0, 0.0], [0.5, math.sqrt(3) / 2, 0.0]])  # I, II
AFTER_DOWER = np.vstack(
    [
        LIMB,
        1.5
        * np.array(
            [
                [-0.515, 0.157, 0.917],
                [0.044, 0.164, 1.950],
                [0.882, 0.098, 1.800],
                [1.400, 0.127, 0.800],
                [1.300, 0.127, 0.086],
                [0.920, 0.076, -0.230],
            ]
        ),
    ]
)
REGRESSED = np.vstack(
    [
        LIMB,
        [
            [-0.66, 0.00, 1.23],
            [0.07, 0.25, 2.92],
            [0.66, 0.92, 2.55],
            [1.18, 1.17, 1.31],
            [1.25, 0.85, 0.17],
            [0.99, 0.57, -0.24],
        ],
    ]
)


def electrodes(leads: np.ndarray, variety: float, rng: np.random.Generator) -> np.ndarray:
    """``leads`` (8, 3) in one person: electrodes between their places and their neighbours', a heart that is turned.

    The places are numbered from V1, 0, to V6, 5; a common part of their error is the technician's.
    """
    places = np.arange(6) + variety * (0.35 * rng.normal(size=6) + 0.2 * rng.normal())
    chest = np.stack([np.interp(places, range(6), column) for column in leads[2:].T], axis=1)
    chest *= np.exp(0.12 * variety * rng.normal(size=(6, 1)))
    chest += 0.08 * variety * rng.normal(size=(6, 3))
    chest[:, 1] += 0.2 * variety * rng.normal()  # all of them too high, or too low
    turn, tilt = np.radians(variety * np.array((15, 8)) * rng.normal(size=2))
    x, y, z = chest.T
    x, z = x * math.cos(turn) - z * math.sin(turn), x * math.sin(turn) + z * math.cos(turn)
    y, z = y * math.cos(tilt) - z * math.sin(tilt), y * math.sin(tilt) + z * math.cos(tilt)
    limb = leads[:2] + 0.03 * variety * rng.normal(size=(2, 3))
    return np.vstack([limb, np.stack([x, y, z], axis=1)])


def measured_leads(vector: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Leads I, II and V1 to V6 (8, samples) of the heart ``vector`` (3, samples), in mV as it is, by ``electrodes``."""
    # No matrix product: its rounding differs between computers, and the recordings are to be the same to the byte.
    return sum(np.outer(seen, course) for seen, course in zip(places.T, vector))


def twelve_leads(measured: np.ndarray) -> np.ndarray:
    """All twelve (12, samples) from eight ``measured``: III by Einthoven's law, aVR, aVL and aVF by Goldberger's."""
    one, two = measured[:2]
    derived = np.stack([two - one, -(one + two) / 2, one - two / 2, two - one / 2])
    return np.vstack([measured[:2], derived, measured[2:]])


def to_microvolts(measured: np.ndarray) -> np.ndarray:
    """Twelve leads as int16 (12, samples), 1 count = 1 uV, from eight in mV.

    The measured leads are rounded before the others are derived, so III is II - I to the count.
    """
    counts = twelve_leads(np.rint(1000 * measured))
    return np.clip(np.rint(counts), -32767, 32767).astype(np.int16)
