#!/usr/bin/env python
"""driver.py under its name of 2025:  python run_model.py MODEL DATA OUTPUTS"""

from driver import main
from ecg.cli import run

if __name__ == "__main__":
    run(main)
