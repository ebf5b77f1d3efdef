"""The models of MLServer; pixels come and go as one value of the type BYTES, see mlserver_server.py."""

from __future__ import annotations

import numpy as np
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from benchmarks.peers.work import make_work


class Runtime(MLModel):
    """A custom runtime: https://mlserver.readthedocs.io/en/latest/user-guide/custom.html."""

    async def load(self) -> bool:
        told = self.settings.parameters.extra
        self._shape = (told["height"], told["width"], 3)
        self._work = make_work(told["component"], told["threads"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        picture = np.frombuffer(payload.inputs[0].data[0], np.uint8).reshape(self._shape)
        mask = ResponseOutput(name="mask", shape=[1], datatype="BYTES", data=[self._work(picture).tobytes()])
        return InferenceResponse(model_name=self.name, outputs=[mask])
