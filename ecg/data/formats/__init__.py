"""Readers of other file formats: each file -> PhysicalRecording. ``opening`` picks the reader."""
