"""grpc.reflection, v1 and v1alpha: a client that has no .proto file asks what services there are and take."""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.framing import RefusedCall
from edge_agent.serving.rpc.standard import FILES, message_class
from edge_agent.serving.rpc.status import Code
from edge_agent.serving.rpc.streamed import StreamedCall, Streaming

_VERSIONS = ("v1", "v1alpha")


class _Registry:
    """The files that describe our services, by name and by what is in them."""

    def __init__(self) -> None:
        contract = descriptor_pb2.FileDescriptorProto.FromString(pb2.DESCRIPTOR.serialized_pb)
        self.services: list[str] = []
        self.files: dict[str, bytes] = {}
        self.symbols: dict[str, bytes] = {}
        for file in (contract, *FILES):
            content = file.SerializeToString()
            self.files[file.name] = content
            self.services += [f"{file.package}.{service.name}" for service in file.service]
            for service in file.service:
                name = f"{file.package}.{service.name}"
                self._add(content, name, *(f"{name}.{method.name}" for method in service.method))
            for message in file.message_type:
                self._add_message(content, f"{file.package}.{message.name}", message)
            self._add(content, *(f"{file.package}.{kind.name}" for kind in file.enum_type))

    def _add(self, content: bytes, *names: str) -> None:
        self.symbols |= dict.fromkeys(names, content)

    def _add_message(self, content: bytes, name: str, message: descriptor_pb2.DescriptorProto) -> None:
        self._add(content, name, *(f"{name}.{field.name}" for field in message.field))
        self._add(content, *(f"{name}.{kind.name}" for kind in message.enum_type))
        for nested in message.nested_type:
            self._add_message(content, f"{name}.{nested.name}", nested)


@functools.cache
def _registry() -> _Registry:
    return _Registry()


def handlers() -> dict[bytes, Streaming]:
    """Return what answers the rpc of each version, by path."""
    return {
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo".encode(): Streaming(
            functools.partial(_begin, f"grpc.reflection.{version}.ServerReflection")
        )
        for version in _VERSIONS
    }


def _begin(prefix: str, call: StreamedCall) -> None:
    call.on_message = functools.partial(_answer, prefix, call)
    closed: list[bool] = []

    def half_closed() -> None:
        closed.append(True)
        taken()

    def taken() -> None:
        if closed and not call.is_sending and not call.waiting:
            call.finish()

    call.on_half_closed, call.on_taken = half_closed, taken


def _answer(prefix: str, call: StreamedCall, message: bytes) -> None:
    try:
        request: Any = message_class(f"{prefix}Request").FromString(message)
    except DecodeError:
        details = f"the request's {len(message)} bytes are not a ServerReflectionRequest"
        call.refuse(RefusedCall(Code.INVALID_ARGUMENT, details))
        return
    answer: Any = message_class(f"{prefix}Response")(valid_host=request.host, original_request=request)
    kind, registry = request.WhichOneof("message_request"), _registry()
    if kind == "list_services":
        for name in registry.services:
            answer.list_services_response.service.add(name=name)
    else:
        found = {"file_by_filename": registry.files, "file_containing_symbol": registry.symbols}.get(kind or "", {})
        asked = getattr(request, kind) if found else ""
        if asked in found:
            answer.file_descriptor_response.file_descriptor_proto.append(found[asked])
        else:
            answer.error_response.error_code = int(Code.NOT_FOUND)
            answer.error_response.error_message = f"{kind or 'a request of nothing'}: {asked!r} is not described here"
    call.send(answer.SerializeToString())
