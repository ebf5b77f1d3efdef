"""Readers of what comes from outside, fed by a machine: see README.md."""
