"""From the heart vector to the twelve leads.

The limb leads see it by Einthoven's equilateral triangle, the chest leads by the matrix of Dower (Dower, Machado and
Osborne, On deriving the electrocardiogram from vectorcardiographic leads, Clin Cardiol 1980), here with z to the
front and in units of lead I. Eight leads are measured, I, II and V1 to V6; the other four follow from I and II.
"""

import math

import numpy as np

LIMB = np.array([[1.0, 0.0, 0.0], [0.5, math.sqrt(3) / 2, 0.0]])  # I, II
CHEST = 1.5 * np.array(
    [
        [-0.515, 0.157, 0.917],
        [0.044, 0.164, 1.387],
        [0.882, 0.098, 1.277],
        [1.213, 0.127, 0.601],
        [1.125, 0.127, 0.086],
        [0.831, 0.076, -0.230],
    ]
)  # V1 to V6
MEASURED = np.vstack([LIMB, CHEST])


def measured_leads(vector: np.ndarray) -> np.ndarray:
    """Leads I, II and V1 to V6 (8, samples) of the heart ``vector`` (3, samples), in mV as it is."""
    # No matrix product: its rounding differs between computers, and the recordings are to be the same to the byte.
    return sum(np.outer(seen, course) for seen, course in zip(MEASURED.T, vector))


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
