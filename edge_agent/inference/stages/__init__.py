"""What happens before and after a model, as ONNX graphs, so that a GPU can do it where the model runs.

The graphs answer as the processor's path does: imaging/resize.py and imaging/tensor.py before the model,
inference/host.py and imaging/mask.py behind it. Importing preparation.py or conclusion.py needs the package onnx.
"""
