"""PTB-XL in its published form, with the Challenge's codes.

PTB-XL: Wagner et al., Sci Data 2020, doi 10.1038/s41597-020-0495-6.

The Challenge of 2020 contains these recordings as HR00001 to HR21837, without the patients. It replaced the SCP-ECG
statements of PTB-XL by SNOMED CT codes and did not publish how. CODES is inferred from the number of recordings with
each code. On 27 recordings with known statements and known codes it gives exactly the scored codes of the Challenge.
How certain each part is:

- AFIB, AFLT, SBRAD, STACH, SARRH, PACE, PAC, 1AVB, LPR, CRBBB, CLBBB, IRBBB, LAFB, IVCD, QWAVE, INVT, LNGQT and LVOLT
  have the meaning of their codes. SVARR became supraventricular premature beats. As far as we know, the Challenge's
  counts equal PTB-XL's own: 1514, 73, 637, 826, 772, 296, 398, 797, 340, 542, 536, 1118, 1626, 789, 548, 294, 118 and
  182, and for SVARR 157.
- NORM is sinus rhythm, with or without SR: recordings with NORM and SBRAD or SARRH, or with NORM alone, have its code.
- NDT and LOWT are T wave abnormal in all recordings that were compared. NT_ and TAB_ are our assumption: without NT_
  there are too few statements for the 2,345 recordings with the code. NST_ is not T wave abnormal: it occurs without
  the code.
- LAD and ALAD in the column ``heart_axis`` are left axis deviation, RAD and ARAD are right axis deviation. AXL and AXR
  are neither.
- PVC is 164884008, ventricular ectopics. The Challenge has the code in 1,154 of these recordings and does not score it.

With ``statements`` a recording keeps its statements beside the codes, as "scp:NORM": words that own classes can name.

A likelihood of 0 means that none was stated, so the statement counts. Statements without an entry in CODES belong to
no scored class and are dropped. An age of 300 means above 89 and becomes 90, as in the Challenge.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ecg.data.comments import parse_sex
from ecg.data.formats.physical import PhysicalRecording
from ecg.data.signal_files import read_counts, to_microvolts
from ecg.errors import EntryError, RecordError
from ecg.files import LARGEST_TEXT, is_inside, read_csv
from ecg.importing.importer import SourceRecording, to_wfdb_name
from ecg.progress import print_line

TABLE = "ptbxl_database.csv"
COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "heart_axis", "filename_hr")
SEX: dict[float | None, str] = {0.0: "male", 1.0: "female"}
AGE_ABOVE_89, CODE_ABOVE_89 = 90.0, 300.0  # the Challenge's age, and PTB-XL's code for it
CODES = {
    "NORM": "426783006", "SR": "426783006",
    "AFIB": "164889003", "AFLT": "164890007", "STACH": "427084000", "SBRAD": "426177001", "SARRH": "427393009",
    "PACE": "10370003", "PAC": "284470004", "SVARR": "63593006", "PVC": "164884008",
    "1AVB": "270492004", "LPR": "164947007",
    "CRBBB": "713427006", "IRBBB": "713426002", "CLBBB": "164909002", "LAFB": "445118002", "IVCD": "698252002",
    "NDT": "164934002", "NT_": "164934002", "LOWT": "164934002", "TAB_": "164934002", "INVT": "59931005",
    "LNGQT": "111975006", "QWAVE": "164917005", "LVOLT": "251146004",
}  # fmt: skip
AXES = {"LAD": "39732003", "ALAD": "39732003", "RAD": "47665007", "ARAD": "47665007"}


def ptbxl_sources(folder: Path, statements: bool = False) -> tuple[list[SourceRecording], dict[str, str]]:
    """List the recordings in PTB-XL's table in ``folder``, and map each recording's name to its patient.

    A recording whose file of 500 Hz is missing is read at 100 Hz; their number is printed. Raises EntryError if the
    table is missing or lacks a column.
    """
    table = folder / TABLE
    header, *rows = read_csv(table, LARGEST_TEXT, ";\t,") or [[]]
    if not set(COLUMNS) <= set(header):
        raise EntryError(f"{table}: does not have the columns {', '.join(COLUMNS)}; give the folder of PTB-XL itself")
    sources: list[SourceRecording] = []
    patients: dict[str, str] = {}
    slow = 0
    for cells in filter(None, rows):
        row = dict(zip(header, cells + [""] * len(header)))  # a truncated line gets empty cells
        number = re.sub(r"[.,]0$", "", row["ecg_id"])
        name, place = to_wfdb_name(f"HR{number:>05s}"), f"{table}, ecg_id {number}"
        column = "filename_hr"
        if not _has(folder, row, "filename_hr") and _has(folder, row, "filename_lr"):
            column, slow = "filename_lr", slow + 1
        sources.append(SourceRecording(name, place, partial(_read_recording, folder, row, column, place, statements)))
        patients.setdefault(name, re.sub(r"[.,]0$", "", row["patient_id"]))  # the table has 15709.0
    if slow:
        print_line(f"{slow:,} recordings are read at 100 Hz, because records500 does not have them")
    return sources, patients


def _has(folder: Path, row: Mapping[str, str], column: str) -> bool:
    file = row.get(column, "")
    return is_inside(file) and (folder / f"{file}.hea").exists()


def _read_recording(
    folder: Path, row: Mapping[str, str], column: str, place: str, with_statements: bool
) -> PhysicalRecording:
    file = row[column]
    if not is_inside(file):
        raise RecordError(f"{place}: {column} {file!r:.100} is not a path inside the folder")
    path = folder / f"{file}.hea"
    header, counts = read_counts(path)
    age = _parse_number(row["age"])
    statements = parse_statements(row["scp_codes"], place)
    words = [f"scp:{statement}" for statement in statements] if with_statements else []
    return PhysicalRecording(
        leads=header.leads,
        rate=header.rate,
        microvolts=to_microvolts(counts, header),
        age=AGE_ABOVE_89 if age == CODE_ABOVE_89 else age,
        sex=SEX.get(_parse_number(row["sex"])) or parse_sex(row["sex"]),
        diagnoses=[*to_codes(statements, row["heart_axis"]), *words],
    )


def _parse_number(text: str) -> float | None:
    """None for a missing number, or other text."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def parse_statements(text: str, place: str) -> list[str]:
    """The SCP-ECG statements in ``scp_codes``: a Python dictionary, written out, of statements and likelihoods.

    Raises RecordError, whose message begins with ``place``, if it is not.

    >>> parse_statements("{'NORM': 100.0, 'SR': 0.0}", "ecg_id 1")
    ['NORM', 'SR']
    """
    try:
        return [str(statement) for statement in dict(ast.literal_eval(text))]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise RecordError(f"{place}: scp_codes {text:.60} is not a dictionary; fetch the table again") from error


def to_codes(statements: Sequence[str], axis: str) -> list[str]:
    """Convert PTB-XL's statements and heart axis to SNOMED CT codes.

    >>> to_codes(["NORM", "SR"], "ALAD")
    ['426783006', '39732003']
    """
    codes = [CODES[statement] for statement in statements if statement in CODES]
    if code := AXES.get(axis.strip().upper()):
        codes.append(code)
    return list(dict.fromkeys(codes))
