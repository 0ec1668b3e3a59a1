#!/usr/bin/env python
"""Draw a recording on ECG paper:  python tools/plot.py RECORD ecg.svg

RECORD is a header (.hea), the signal file beside it, or a file of another format that is read (EDF, DICOM, ...), of any
length and sampling rate. The page shows the 12 leads in
three rows of four, a rhythm strip and a calibration pulse on millimetre paper, at 25 mm/s and 10 mm/mV. Printed at
100 %, it is to scale. Above are the labels in the header and the heart rate, PR, QRS, QT and axis of the whole
recording, as a program measures them. The name of the picture ends in .png, .svg or .pdf; the last two are vector
graphics.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, so that any folder can call it

from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.formats.opening import recording_name
from ecg.data.listing import recording_at
from ecg.data.record import read_record
from ecg.errors import EntryError

FORMATS = (".png", ".svg", ".pdf")


def main() -> int:
    parser = Arguments(__doc__)
    parser.add_argument("record", type=Path, help="a header, the signal file beside it, or a file of another format")
    parser.add_argument("picture", type=Path, nargs="?", help="the picture to write (default: RECORD's name with .png)")
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="S", help="the first second on the page (default: 0)"
    )
    args = parser.parse()
    record = read_record(recording_at(args.record))
    seconds = record.counts.shape[1] / record.header.rate
    if not 0 <= args.start < seconds:
        raise EntryError(f"--start {args.start:g}: the recording lasts {seconds:.1f} s")
    picture = args.picture or Path(f"{recording_name(args.record)}.png")
    if picture.suffix.lower() not in FORMATS:
        raise EntryError(f"{picture}: its name must end in {', '.join(FORMATS)}")
    from ecg.report.paper import draw_ecg, measures_line, record_title, save_figure  # needs requirements-report.txt

    title = f"{record_title(record.header)}\n{measures_line(record)}"
    save_figure(draw_ecg(record, title, args.start), picture)
    print(picture)
    return ALL_WELL


if __name__ == "__main__":
    run(main)
