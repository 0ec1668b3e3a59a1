"""Pictures and pages for people. They need requirements-report.txt, so no other part of ``ecg`` imports them."""
