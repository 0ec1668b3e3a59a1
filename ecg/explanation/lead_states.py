"""The state of each lead: recorded, flat, computed from other leads, or missing."""

from ecg.data.preprocessing import bridge_gaps, fill_limb_leads
from ecg.data.record import Record


def lead_states(record: Record) -> list[str]:
    """The state of each of LEADS in ``record``.

    - "recorded"
    - "flat": recorded, but all samples are equal or missing
    - "flat, computed": flat at zero, so the networks see a lead that is computed from the other limb leads
    - "computed": missing, and computed from the other limb leads
    - "missing"

    >>> import numpy as np
    >>> from ecg.data.header import parse_header
    >>> from ecg.data.record import make_record
    >>> header = parse_header("A1 3 500 4\\nA1.mat 16 1000 16 0 0 0 0 I\\nA1.mat 16 1000 16 0 0 0 0 II\\n"
    ...     "A1.mat 16 1000 16 0 0 0 0 V1")
    >>> lead_states(make_record(header, np.array([[0, 1, 2, 3], [3, 3, 2, 5], [7, 7, 7, 7]])))[::3]
    ['recorded', 'computed', 'flat', 'missing']
    """
    counts = bridge_gaps(record.counts)
    states = []
    for recorded, lead, completed in zip(record.mask, counts, fill_limb_leads(counts)):
        is_computed = not lead.any() and completed.any()
        if recorded and lead.min() == lead.max():
            states.append("flat, computed" if is_computed else "flat")
        elif recorded:
            states.append("recorded")
        else:
            states.append("computed" if is_computed else "missing")
    return states
