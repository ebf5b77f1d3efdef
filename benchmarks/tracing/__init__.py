"""Stamps of the monotonic clock in the front process and the workers, for benchmarks/breakdown.py."""
