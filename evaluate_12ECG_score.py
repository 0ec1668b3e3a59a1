#!/usr/bin/env python
"""evaluate_model.py under its name of 2020:  python evaluate_12ECG_score.py LABELS OUTPUTS [scores.csv]"""

from ecg.cli import run
from evaluate_model import main

if __name__ == "__main__":
    run(main)
