"""ONNX files made fit for a GPU: the precision that is computed in, and a batch dimension that is free."""
