"""Measurements, each side by side with the simple way; `python -m benchmarks` runs them and writes a report."""
