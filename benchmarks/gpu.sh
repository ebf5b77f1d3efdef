#!/bin/sh
# Everything that needs an NVIDIA GPU: the tests that are skipped elsewhere, then the figures of docs/performance.md.
# Run it from the repository root, with a Python that has the extras [gpu,dev] (on a Jetson: [jetson,dev], docs/jetson.md):
#     PYTHON=.venv/bin/python benchmarks/gpu.sh
set -eu
PYTHON=${PYTHON:-python3}
"$PYTHON" -m edge_agent doctor || true
"$PYTHON" -m pytest -m gpu -n 0 --timeout 1800 tests/gpu
for engine in tensorrt onnxruntime-tensorrt onnxruntime-cuda; do
    for precision in fp32 fp16; do
        "$PYTHON" -m benchmarks.gpu --engine "$engine" --precision "$precision" || echo "$engine $precision: see above"
    done
done
