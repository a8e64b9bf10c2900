# SPDX-License-Identifier: Apache-2.0
"""The identity model behind TorchServe, in the Open Inference Protocol's JSON, a batch a call."""
import os

import torch


class Identity:
    def initialize(self, context):
        torch.set_num_threads(1)
        folder = context.system_properties["model_dir"]
        self.model = torch.jit.load(os.path.join(folder, context.manifest["model"]["serializedFile"]))

    def handle(self, requests, context):
        given = [request["body"]["inputs"][0] for request in requests]
        x = torch.cat([torch.tensor(one["data"], dtype=torch.float32).reshape(one["shape"]) for one in given])
        with torch.inference_mode():
            y = self.model(x)
        return [{"outputs": [{"name": "y", "shape": one["shape"], "datatype": "FP32", "data": row.tolist()}]}
                for one, row in zip(given, y)]
