"""The services beside the contract: grpc.health.v1, grpc.reflection in v1 and v1alpha, and our own.

Described here and kept in a pool of their own, so that a process may import gRPC's packages for the same services.
Source of names and numbers: https://github.com/grpc/grpc-proto.
"""

from __future__ import annotations

import enum

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "string": _Field.TYPE_STRING, "bytes": _Field.TYPE_BYTES, "int32": _Field.TYPE_INT32,
}  # fmt: skip


def _add_message(
    messages: list[tuple[str, list[str]]], file: descriptor_pb2.FileDescriptorProto, oneofs: dict[str, str]
) -> None:
    """Add messages: fields as `number type name`, `*` before what is repeated and `|` before a member of the oneof."""
    for name, fields in messages:
        message = file.message_type.add(name=name)
        for text in fields:
            number, kind, field = text.lstrip("*|").split()
            added = message.field.add(name=field, number=int(number), label=_Field.LABEL_OPTIONAL)
            if text.startswith("*"):
                added.label = _Field.LABEL_REPEATED
            if text.startswith("|"):
                if not message.oneof_decl:
                    message.oneof_decl.add(name=oneofs[name])
                added.oneof_index = 0
            if kind in _TYPES:
                added.type = _TYPES[kind]
            else:
                added.type = _Field.TYPE_ENUM if kind.endswith("ServingStatus") else _Field.TYPE_MESSAGE
                added.type_name = f".{file.package}.{kind}"


def _health() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="grpc/health/v1/health.proto", package="grpc.health.v1", syntax="proto3"
    )
    _add_message(
        [
            ("HealthCheckRequest", ["1 string service"]),
            ("HealthCheckResponse", ["1 HealthCheckResponse.ServingStatus status"]),
            ("HealthListRequest", []),
            ("HealthListResponse", ["*1 HealthListResponse.StatusesEntry statuses"]),
        ],
        file,
        {},
    )
    status = file.message_type[1].enum_type.add(name="ServingStatus")
    for number, name in enumerate(("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")):
        status.value.add(name=name, number=number)
    entry = file.message_type[3].nested_type.add(name="StatusesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
    entry.field.add(
        name="value", number=2, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_MESSAGE,
        type_name=".grpc.health.v1.HealthCheckResponse",
    )  # fmt: skip
    service = file.service.add(name="Health")
    check = {"input_type": ".grpc.health.v1.HealthCheckRequest", "output_type": ".grpc.health.v1.HealthCheckResponse"}
    service.method.add(name="Check", **check)
    service.method.add(
        name="List", input_type=".grpc.health.v1.HealthListRequest", output_type=".grpc.health.v1.HealthListResponse"
    )
    service.method.add(name="Watch", server_streaming=True, **check)
    return file


def _reflection(version: str) -> descriptor_pb2.FileDescriptorProto:
    package = f"grpc.reflection.{version}"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"grpc/reflection/{version}/reflection.proto", package=package, syntax="proto3"
    )
    _add_message(
        [
            (
                "ServerReflectionRequest",
                ["1 string host", "|3 string file_by_filename", "|4 string file_containing_symbol",
                 "|5 ExtensionRequest file_containing_extension", "|6 string all_extension_numbers_of_type",
                 "|7 string list_services"],
            ),
            ("ExtensionRequest", ["1 string containing_type", "2 int32 extension_number"]),
            (
                "ServerReflectionResponse",
                ["1 string valid_host", "2 ServerReflectionRequest original_request",
                 "|4 FileDescriptorResponse file_descriptor_response",
                 "|5 ExtensionNumberResponse all_extension_numbers_response",
                 "|6 ListServiceResponse list_services_response", "|7 ErrorResponse error_response"],
            ),
            ("FileDescriptorResponse", ["*1 bytes file_descriptor_proto"]),
            ("ExtensionNumberResponse", ["1 string base_type_name", "*2 int32 extension_number"]),
            ("ListServiceResponse", ["*1 ServiceResponse service"]),
            ("ServiceResponse", ["1 string name"]),
            ("ErrorResponse", ["1 int32 error_code", "2 string error_message"]),
        ],
        file,
        {"ServerReflectionRequest": "message_request", "ServerReflectionResponse": "message_response"},
    )  # fmt: skip
    file.service.add(name="ServerReflection").method.add(
        name="ServerReflectionInfo", input_type=f".{package}.ServerReflectionRequest",
        output_type=f".{package}.ServerReflectionResponse", client_streaming=True, server_streaming=True,
    )  # fmt: skip
    return file


def _shadowing() -> descriptor_pb2.FileDescriptorProto:
    """Our own service beside the contract, for `edge-agent models shadow`."""
    file = descriptor_pb2.FileDescriptorProto(
        name="edge_agent/shadowing.proto", package="edge_agent.v1", syntax="proto3"
    )
    _add_message(
        [
            ("SetShadowRequest", ["1 string model_component", "2 string shadow_component", "3 string shadow_version"]),
            ("SetShadowResponse", ["1 string message"]),
        ],
        file,
        {},
    )
    file.service.add(name="Shadowing").method.add(
        name="SetShadow", input_type=".edge_agent.v1.SetShadowRequest",
        output_type=".edge_agent.v1.SetShadowResponse",
    )  # fmt: skip
    return file


FILES = [_health(), _reflection("v1"), _reflection("v1alpha"), _shadowing()]
_POOL = descriptor_pool.DescriptorPool()
for _file in FILES:
    _POOL.Add(_file)


def message_class(name: str) -> type[Message]:
    """Return the class of a message by its full name."""
    found: type[Message] = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))
    return found


HEALTH = "grpc.health.v1.Health"
#: before a model's name, in the name by which HEALTH is asked for it
MODEL = "model/"


class Serving(enum.IntEnum):
    """HealthCheckResponse.ServingStatus."""

    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


#: our own service's one rpc
SET_SHADOW = "/edge_agent.v1.Shadowing/SetShadow"
SetShadowRequest = message_class("edge_agent.v1.SetShadowRequest")
SetShadowResponse = message_class("edge_agent.v1.SetShadowResponse")
