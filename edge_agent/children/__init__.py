"""Processes of our own: how they are started, and what they said when they did not get far."""
