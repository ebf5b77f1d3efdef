"""Tests mirror the package; what they share is in conftest.py, fakes.py and daemon.py."""
