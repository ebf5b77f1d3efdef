"""Components from models that others made.

The daemon knows one format; what a foreign one does beyond it becomes ONNX nodes.
"""
