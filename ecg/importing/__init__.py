"""Converters to the Challenge's file format (PTB-XL, CPSC 2018, WFDB, EDF) and the PhysioNet downloader."""
