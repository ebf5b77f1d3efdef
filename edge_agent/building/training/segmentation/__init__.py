"""Masks: a decoder on the backbone's features, learned with torch, written as ONNX."""
