"""Measuring this device with a model of its own: what `edge-agent bench` prints."""
