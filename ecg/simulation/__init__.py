"""Simulated 12-lead ECGs that show their labels: the textbook's, to try, test and teach with; patients, to learn from.

No recording of a patient is in them; their label sets are real ones, the rare more often, and so are the ages and sexes
that go with these. The parts, from the heart to the folder: ``population`` (between what limits hearts differ),
``dipole`` (waves of the heart vector), ``beats`` (the waves of one beat), ``rhythm`` (when beats come), ``conditions``
(labels to heart and rhythm), ``leads`` (vector to leads), ``noise``, ``recording`` (all of these together), ``cases``
(who is recorded, with which labels), ``folder`` (the files) and ``counterpart`` (a healthy heart that beats when a
recorded one does).
"""

from ecg.simulation.dataset import simulate
from ecg.simulation.signal import recording

__all__ = ["recording", "simulate"]
