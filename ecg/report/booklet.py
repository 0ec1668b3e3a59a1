"""The booklet of a label study: ECGs without names and labels, and a form beside each."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ecg import progress
from ecg.data.record import Record
from ecg.report.page import write_page
from ecg.report.paper import as_address, draw_paper, record_title


def write_booklet(path: Path, records: Sequence[Record], classes: Sequence[str]) -> None:
    """Writes the page to ``path``: the ``records`` in their order, numbered from 1, to be read for ``classes``."""
    pages = [
        as_address(draw_paper(record, record_title(blinded(record, number).header)))
        for number, record in enumerate(progress.bar(records, len(records), "drawing", "recordings"), 1)
    ]
    study = secrets.token_hex(8)  # of another booklet at the same place a browser must not remember the answers
    write_page(path, "booklet.html", pages=pages, classes=classes, study=study)


def blinded(record: Record, number: int) -> Record:
    """The recording with a number for a name, and without its diagnoses."""
    return replace(record, header=replace(record.header, name=f"No. {number}", diagnoses=()))
