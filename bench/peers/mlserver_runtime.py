# SPDX-License-Identifier: Apache-2.0
"""The identity model behind MLServer, which has no runtime of its own for TorchScript."""
import mlserver
import torch
from mlserver.codecs import NumpyCodec


class Identity(mlserver.MLModel):
    async def load(self):
        torch.set_num_threads(1)
        self.model = torch.jit.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        x = torch.from_numpy(NumpyCodec.decode_input(payload.inputs[0]))
        with torch.inference_mode():
            y = self.model(x)
        return mlserver.types.InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("y", y.numpy())])
