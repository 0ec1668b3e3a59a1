"""Recordings as WFDB and EDF files, and what an imported folder must pass."""

import datetime
from pathlib import Path

import numpy as np
import pyedflib
import wfdb

from ecg.data.lead_names import LEADS
from ecg.simulation.signal import simulate_signal
from tests.conftest import run_script


def ecg(seed: int = 0, seconds: float = 10, rate: float = 500) -> np.ndarray:
    """Simulate microvolts (12, samples)."""
    return simulate_signal(["SNR"], 60, "male", rate, seconds, np.random.default_rng(seed))


def write_dat(folder: Path, name: str, counts: np.ndarray, gain=1000.0, baseline=0, unit="mV", leads=LEADS, **options):
    folder.mkdir(parents=True, exist_ok=True)
    count = len(leads)
    wfdb.wrsamp(
        name,
        options.pop("rate", 500),
        unit if isinstance(unit, list) else [unit] * count,
        list(leads),
        d_signal=counts.T.astype(np.int64),
        fmt=["16"] * count,
        adc_gain=[gain] * count,
        baseline=[baseline] * count,
        write_dir=str(folder),
        **options,
    )


def write_edf(path: Path, microvolts: np.ndarray, labels, rates=500, unit="mV", plus=True, patient=True):
    """Write an EDF file with a digital unit of 0.5 uV."""
    kind = pyedflib.FILETYPE_EDFPLUS if plus else pyedflib.FILETYPE_EDF
    scale = {"mV": 1000.0, "uV": 1.0, "degC": 1.0}[unit]
    rates = [rates] * len(labels) if isinstance(rates, int) else rates
    common = {"physical_min": -16384 / scale, "physical_max": 16383.5 / scale, "prefilter": "", "transducer": ""}
    common |= {"digital_min": -32768, "digital_max": 32767}
    with pyedflib.EdfWriter(str(path), len(labels), file_type=kind) as file:
        for i, (label, rate) in enumerate(zip(labels, rates)):
            signal = {"label": label, "dimension": unit, "sample_frequency": rate}
            file.setSignalHeader(i, signal | common)
        file.setStartdatetime(datetime.datetime(2001, 3, 4))
        if patient:
            file.setSex(0)
            file.setBirthdate(datetime.date(1940, 3, 5))
        file.writeSamples([np.ascontiguousarray(row[: 10 * rate] / scale) for row, rate in zip(microvolts, rates)])
        if plus:
            file.writeAnnotation(1.0, -1, "a note")


def assert_findings(folder: Path, *expected: str):
    done = run_script("tools/check_data.py", folder)
    assert done.returncode == 0, done.stdout
    kinds = [line.split(":")[0] for line in done.stdout.splitlines() if "  ->  " in line]
    assert kinds == list(expected)
