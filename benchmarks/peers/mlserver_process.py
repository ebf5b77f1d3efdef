"""MLServer's process: `python -m benchmarks.peers.mlserver_process SETTINGS`, in MLServer's own environment.

Started as `mlserver start` does it, but with gRPC alone: MLServer can't leave out its REST server, nor put that on a
Unix socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from mlserver import MLServer, ModelSettings, Settings
from mlserver.grpc import GRPCServer
from mlserver.settings import ModelParameters
from mlserver.utils import install_uvloop_event_loop


class _NoServer:
    async def start(self, *ignored: Any) -> None: ...

    stop = add_custom_handlers = delete_custom_handlers = start


class _GrpcAlone(MLServer):
    def _create_servers(self) -> None:
        self._grpc_server = GRPCServer(self._settings, self._data_plane, self._model_repository_handlers)
        self._rest_server, self._kafka_server = _NoServer(), None

    async def start(self, models_settings: list[ModelSettings]) -> None:
        for model in models_settings:  # before the server says that it is ready
            await self._model_registry.load(model)
        await self._grpc_server.start()


async def _serve(told: dict[str, Any]) -> None:
    settings = Settings(debug=False, metrics_endpoint=None, load_models_at_startup=False, **told["server"])
    implementation = "benchmarks.peers.mlserver_runtime.Runtime"
    models = [
        ModelSettings(name=name, implementation=implementation, parameters=ModelParameters(extra=extra))
        for name, extra in told["models"].items()
    ]
    await _GrpcAlone(settings).start(models)


if __name__ == "__main__":
    install_uvloop_event_loop()
    asyncio.run(_serve(json.loads(Path(sys.argv[1]).read_text())))
