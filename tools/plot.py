#!/usr/bin/env python
"""Draw a recording as a clinician reads it:  python tools/plot.py RECORD ecg.svg

RECORD is a recording's header (.hea) or its signal file, of any length and sampling rate. The page has 12 leads in
three rows of four and a rhythm strip, 25 mm/s and 10 mm/mV on millimetre paper, with a calibration pulse; printed at
100 % it is to scale. The picture's name says its kind: .png, or .svg or .pdf, which can be enlarged without end.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.record import read_record
from ecg.errors import EntryError

KINDS = (".png", ".svg", ".pdf")


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("record", type=Path, help="a header, or a signal file that has one beside it")
    arguments.add_argument("picture", type=Path, nargs="?", help="the picture to write (RECORD's name with .png, here)")
    arguments.add_argument("--start", type=float, default=0.0, metavar="S", help="where the page begins, in s (0)")
    given = arguments.parse()
    record = read_record(given.record.with_suffix(".hea"))
    seconds = record.counts.shape[1] / record.header.rate
    if not 0 <= given.start < seconds:
        raise EntryError(f"--start {given.start:g}: the recording lasts {seconds:.1f} s")
    picture = given.picture or Path(f"{given.record.stem}.png")
    if picture.suffix.lower() not in KINDS:
        raise EntryError(f"{picture}: its name must end in {', '.join(KINDS)}")
    from ecg.report.paper import draw_paper, record_title, save_picture

    save_picture(draw_paper(record, record_title(record.header), given.start), picture)
    print(picture)
    return ALL_WELL


if __name__ == "__main__":
    run(main)
