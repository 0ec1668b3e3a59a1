"""EDF and EDF+ files, with their own gains and units.

Age and sex come from an EDF+ file's sex, birth date and recording date. pyedflib reads EDF because wfdb's reader is off
by one digital unit, and because it averages all leads down to the rate of the annotations if a file has annotations.
"""

from datetime import datetime
from pathlib import Path

import numpy as np

from ecg.data.formats.physical import MICROVOLTS, PhysicalRecording, require_leads, require_voltages
from ecg.data.wfdb_files import LARGEST_SIGNAL
from ecg.errors import RecordError


def read_edf(path: Path) -> PhysicalRecording:
    """Read the leads of an EDF or EDF+ file.

    Raises RecordError if it is damaged, a lead's unit is no voltage, or the leads have different sampling rates.
    """
    from pyedflib import EdfReader

    if not path.is_file():  # EdfReader would wait for the other end of a pipe
        raise RecordError(f"{path}: is not an ordinary file")
    if path.stat().st_size > LARGEST_SIGNAL:
        raise RecordError(f"{path}: has {path.stat().st_size:,} bytes, more than any such file ({LARGEST_SIGNAL:,})")
    try:
        with EdfReader(str(path)) as file:
            names = file.getSignalLabels()
            leads = require_leads(names, str(path))
            rates = {file.getSampleFrequency(row) for row in leads.values()}
            units = [file.getPhysicalDimension(row).strip() for row in leads.values()]
            signals = [file.readSignal(row) for row in leads.values()]
            sex = file.getSex().strip().lower()
            born = file.getBirthdate(string=False) if file.getBirthdate() else None
            recorded = file.getStartdatetime()
    except OSError as error:  # its message names the file
        raise RecordError(str(error)) from error
    require_voltages(str(path), units)
    if len(rates) > 1:
        raise RecordError(f"{path}: its leads have different rates ({', '.join(f'{rate:g}' for rate in rates)} Hz)")
    return PhysicalRecording(
        leads=list(leads),
        rate=rates.pop(),
        microvolts=np.array(signals) * [[MICROVOLTS[unit.lower()]] for unit in units],
        age=_age_in_years(born, recorded) if isinstance(born, datetime) else None,
        sex=sex if sex in ("female", "male") else None,
        diagnoses=(),
    )


def _age_in_years(born: datetime, recorded: datetime) -> float | None:
    """Whole years. None if the dates give no age: anonymised files replace one or both of them."""
    years = recorded.year - born.year - ((recorded.month, recorded.day) < (born.month, born.day))
    return years if years >= 0 else None
