"""The booklet of a label study: a page of ECGs without names and labels, with a form beside each."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ecg import progress
from ecg.classes import code_of, full_name
from ecg.data.record import Record
from ecg.report.page import write_page
from ecg.report.paper import data_url, record_title


def write_booklet(path: Path, records: Sequence[Record], classes: Sequence[str]) -> None:
    """Write the booklet of ``records``, in their order and numbered from 1, with a question for each of ``classes``."""
    ecgs = [
        data_url(record, record_title(blinded(record, number).header))
        for number, record in enumerate(progress.bar(records, len(records), "drawing", "recordings"), 1)
    ]
    # The browser stores the answers under this name, so that it does not fill in those of an earlier booklet.
    study = secrets.token_hex(8)
    write_page(path, "booklet.html", ecgs=ecgs, classes=classes, question=_question, study=study)


def _question(name: str) -> str:
    """A class's full name and abbreviation, from its abbreviation ``name``."""
    full = full_name(code_of(name) or name)
    return name if full == name else f"{full} ({name})"


def blinded(record: Record, number: int) -> Record:
    """``record`` with a number instead of its name, and without its diagnoses."""
    return replace(record, header=replace(record.header, name=f"No. {number}", diagnoses=()))
