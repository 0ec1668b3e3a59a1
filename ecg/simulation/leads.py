"""From the heart vector to the twelve leads.

The limb leads follow Einthoven's equilateral triangle. The chest leads have one of two matrices:

- DOWER follows Dower, Machado and Osborne, On deriving the electrocardiogram from vectorcardiographic leads, Clin
  Cardiol 1980, with z to the front and multiplied by 1.5, in units of lead I. In addition, the weights of z in V2 to V4
  and of x in V4 to V6 are up to 1.4 times as large, so that the chest leads are as tall beside the limb leads as those
  of PTB-XL.
- REGRESSED follows patients: a least-squares fit of the QRS in I, aVF and V2 (whose z comes from DOWER) over the median
  beats of 1,535 recordings of PTB-XL. In it, V3 to V6 have a far larger weight of y (to the feet).

Eight leads are measured: I, II and V1 to V6. The other four are computed from I and II.
"""

import math

import numpy as np

LIMB = np.array([[1.0, 0.0, 0.0], [0.5, math.sqrt(3) / 2, 0.0]])  # I, II
DOWER = np.vstack(
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


def draw_lead_matrix(lead_matrix: np.ndarray, variability: float, rng: np.random.Generator) -> np.ndarray:
    """The lead matrix (8, 3) of one person: ``lead_matrix`` with displaced electrodes and a rotated heart."""
    # Electrode positions in units of the distance between neighbours, 0 (V1) to 5 (V6): an error of each electrode,
    # and one that all share because one technician places them.
    positions = np.arange(6) + variability * (0.35 * rng.normal(size=6) + 0.2 * rng.normal())
    chest = np.stack([np.interp(positions, range(6), column) for column in lead_matrix[2:].T], axis=1)
    chest *= np.exp(0.12 * variability * rng.normal(size=(6, 1)))
    chest += 0.08 * variability * rng.normal(size=(6, 3))
    chest[:, 1] += 0.2 * variability * rng.normal()  # all electrodes too high or too low
    turn, tilt = np.radians(variability * np.array((15, 8)) * rng.normal(size=2))
    x, y, z = chest.T
    x, z = x * math.cos(turn) - z * math.sin(turn), x * math.sin(turn) + z * math.cos(turn)
    y, z = y * math.cos(tilt) - z * math.sin(tilt), y * math.sin(tilt) + z * math.cos(tilt)
    limb = lead_matrix[:2] + 0.03 * variability * rng.normal(size=(2, 3))
    return np.vstack([limb, np.stack([x, y, z], axis=1)])


def measured_leads(vector: np.ndarray, lead_matrix: np.ndarray) -> np.ndarray:
    """Leads I, II and V1 to V6 (8, samples) in mV, unrounded, of the heart ``vector`` (3, samples)."""
    # A matrix product would round differently on different computers; recordings must be identical to the byte.
    x, y, z = (np.outer(weights, component) for weights, component in zip(lead_matrix.T, vector))
    return x + y + z


def twelve_leads(measured: np.ndarray) -> np.ndarray:
    """All twelve leads (12, samples) from the eight ``measured``: III by Einthoven, aVR, aVL and aVF by Goldberger."""
    one, two = measured[:2]
    derived = np.stack([two - one, -(one + two) / 2, one - two / 2, two - one / 2])
    return np.vstack([measured[:2], derived, measured[2:]])


def to_microvolts(measured: np.ndarray) -> np.ndarray:
    """Twelve leads as int16 (12, samples), 1 count = 1 uV, from eight in mV.

    The measured leads are rounded before the others are computed, so III is exactly II - I.
    """
    counts = twelve_leads(np.rint(1000 * measured))
    return np.clip(np.rint(counts), -32767, 32767).astype(np.int16)
