"""The messages of the Open Inference Protocol over gRPC, as far as the gateway needs them. Imports protobuf.

Names and numbers are those of https://github.com/kserve/open-inference-protocol (inference_grpc). Types are
made from this table when the module is imported: no compiler of protobuf is needed, and no file that it made
binds the gateway to its version. Fields that are not listed are passed over. protobuf refuses bytes that are
no message.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "inference.GRPCInferenceService"

_FIELDS: dict[
    str, dict[str, tuple[int, str]]
] = {  # number and type of each field; * has any number of values
    "ServerReadyRequest": {},
    "ServerReadyResponse": {"ready": (1, "bool")},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {"name": (1, "string"), "version": (2, "string")},
    "ModelReadyRequest": {"name": (1, "string"), "version": (2, "string")},
    "ModelReadyResponse": {"ready": (1, "bool")},
    "ModelMetadataRequest": {"name": (1, "string"), "version": (2, "string")},
    "ModelMetadataResponse": {
        "versions": (2, "string*"),
        "platform": (3, "string"),
        "inputs": (4, "Tensor*"),
        "outputs": (5, "Tensor*"),
    },
    "ModelInferRequest": {
        "model_name": (1, "string"),
        "model_version": (2, "string"),
        "id": (3, "string"),
        "inputs": (5, "Tensor*"),
        "outputs": (6, "RequestedOutput*"),
        "raw_input_contents": (7, "bytes*"),
    },
    "ModelInferResponse": {
        "model_name": (1, "string"),
        "model_version": (2, "string"),
        "id": (3, "string"),
        "outputs": (5, "Tensor*"),
        "raw_output_contents": (6, "bytes*"),
    },
    "Tensor": {  # one for metadata, inputs and outputs, which share these numbers; metadata have no contents
        "name": (1, "string"),
        "datatype": (2, "string"),
        "shape": (3, "int64*"),
        "contents": (5, "Contents"),
    },
    "RequestedOutput": {"name": (1, "string")},
    "Contents": {"fp32_contents": (6, "float*")},
}


def _types() -> dict[str, Any]:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="inference.proto", package="inference", syntax="proto3")
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            label = kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL
            field = described.field.add(name=name, number=number, label=label)
            base = kind.rstrip("*")
            if base in _FIELDS:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".inference.{base}"
            else:
                field.type = kinds.Type.Value(f"TYPE_{base.upper()}")
    pool = descriptor_pool.DescriptorPool()  # of its own: other clients of the protocol may be in the process
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"inference.{name}") for name in _FIELDS}
    return {name: message_factory.GetMessageClass(each) for name, each in found.items()}


TYPES = _types()
"""Class of each message by its name."""
