# SPDX-License-Identifier: Apache-2.0
"""Triton's own gRPC client, as the tests use it."""
import numpy
import tritonclient.grpc as grpc


def rpc(worker):
    return grpc.InferenceServerClient(f"127.0.0.1:{worker.port}")


def prompt(text):
    tensor = grpc.InferInput("prompt", [1], "BYTES")
    tensor.set_data_from_numpy(numpy.array([text], dtype=object))
    return [tensor]
