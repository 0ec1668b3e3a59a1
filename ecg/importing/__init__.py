"""Recordings in other forms, written as the Challenge's files: PTB-XL, CPSC 2018, and whatever wfdb reads, or EDF.

``folder`` writes them, one after another; ``ptbxl``, ``cpsc2018`` and ``signals`` each say what there is to read in a
source. Nothing of the source is changed, and one recording that cannot be read costs the others nothing.
"""
