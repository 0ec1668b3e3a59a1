"""What people look at: the ECG on paper, curves, pages. It needs requirements-report.txt; no other part imports it."""
