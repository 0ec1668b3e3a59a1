"""PTB-XL as it is published (Wagner et al., Sci Data 2020, doi 10.1038/s41597-020-0495-6), with the Challenge's labels.

Its recordings are in the Challenge of 2020 as HR00001 to HR21837, without the patients, and with other labels than its
own: SNOMED CT codes instead of statements of the SCP-ECG standard. The Challenge did not say how the one became
the other. CODES is worked out from how many recordings it gave each code, and was held against 27 recordings whose
statements and codes are both known: in all of them it gives the scored codes that the Challenge gave. How sure it is:

- AFIB, AFLT, SBRAD, STACH, SARRH, PACE, PAC, 1AVB, LPR, CRBBB, CLBBB, IRBBB, LAFB, IVCD, QWAVE, INVT, LNGQT and LVOLT
  say what their codes say, and SVARR became supraventricular premature beats. The Challenge's numbers of them are, as
  far as we know, PTB-XL's own: 1514, 73, 637, 826, 772, 296, 398, 797, 340, 542, 536, 1118, 1626, 789, 548, 294, 118
  and 182, and 157.
- NORM is sinus rhythm, with or without SR: recordings with NORM and SBRAD or SARRH, or with NORM alone, have its code.
- NDT and LOWT are T wave abnormal in all recordings looked at. That NT_ and TAB_ are is our reading: without NT_
  too few statements are left for the 2,345 recordings with the code. NST_ is not: it stands without the code.
- LAD and ALAD, RAD and ARAD, in the column ``heart_axis``, are left and right axis deviation; AXL and AXR are neither.
- PVC is 164884008, ventricular ectopics, of which the Challenge has 1,154 here; it is not scored.

A likelihood of 0 stands for one that was not stated, so the statement counts. Statements that CODES does not know are
of no scored class and are left out. An age of 300 stands for one above 89 and becomes 90, as in the Challenge.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

from ecg.data.header import read_header
from ecg.data.record import read_microvolts
from ecg.errors import EntryError, RecordError
from ecg.files import LARGEST_TEXT, is_inside, read_csv
from ecg.importing.importer import Recording, Source, plain_name

TABLE = "ptbxl_database.csv"
COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "heart_axis", "filename_hr")
SEX = {0.0: "male", 1.0: "female"}
ABOVE_89, HIDDEN_AGE = 90.0, 300.0
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


def ptbxl_sources(folder: Path) -> tuple[list[Source], dict[str, str]]:
    """The recordings at 500 Hz that PTB-XL's table in ``folder`` names, and each one's patient by its name.

    EntryError where there is no such table.
    """
    table = folder / TABLE
    heads, *rows = read_csv(table, LARGEST_TEXT) or [[]]
    if not set(COLUMNS) <= set(heads):
        raise EntryError(f"{table}: has not the columns {', '.join(COLUMNS)}; give the folder of PTB-XL itself")
    sources, patients = [], {}
    for cells in filter(None, rows):
        row = dict(zip(heads, cells + [""] * len(heads)))  # of a line that is cut off, too
        number = row["ecg_id"]
        name, place = plain_name(f"HR{number:>05s}"), f"{table}, ecg_id {number}"
        sources.append(Source(name, place, lambda row=row, place=place: _read(folder, row, place)))
        patients.setdefault(name, row["patient_id"].removesuffix(".0"))  # the table writes 15709.0
    return sources, patients


def _read(folder: Path, row: Mapping[str, str], place: str) -> Recording:
    file = row["filename_hr"]
    if not is_inside(file):
        raise RecordError(f"{place}: its filename_hr {file!r:.100} is no file below the folder")
    path = folder / f"{file}.hea"
    header = read_header(path)
    age = float(row["age"]) if row["age"] else None
    return Recording(
        leads=header.leads,
        rate=header.rate,
        microvolts=read_microvolts(path, header),
        age=ABOVE_89 if age == HIDDEN_AGE else age,
        sex=SEX.get(float(row["sex"])) if row["sex"] else None,
        diagnoses=diagnoses(row["scp_codes"], row["heart_axis"], place),
    )


def diagnoses(statements: str, axis: str, place: str) -> list[str]:
    """The codes of ``statements``, a dictionary of likelihoods in Python's writing, and of a ``heart_axis``.

    RecordError, which names ``place``, where it is no dictionary.
    """
    try:
        stated = dict(ast.literal_eval(statements))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise RecordError(
            f"{place}: its scp_codes {statements:.60} are no dictionary; fetch the table again"
        ) from error
    codes = [CODES[statement] for statement in stated if statement in CODES]
    return list(dict.fromkeys([*codes, AXES[axis]] if axis in AXES else codes))
