# SPDX-License-Identifier: Apache-2.0
"""The identity model behind LitServe, in the Open Inference Protocol's JSON. Usage: litserve_server.py MODEL PORT"""
import sys

import litserve
import torch


class Identity(litserve.LitAPI):
    def setup(self, device):
        torch.set_num_threads(1)
        self.model = torch.jit.load(sys.argv[1])

    def decode_request(self, request):
        given = request["inputs"][0]
        return torch.tensor(given["data"], dtype=torch.float32).reshape(given["shape"])

    def predict(self, x):
        with torch.inference_mode():
            return self.model(x)

    def encode_response(self, output):
        return {"outputs": [{"name": "y", "shape": list(output.shape), "datatype": "FP32",
                             "data": output.flatten().tolist()}]}


if __name__ == "__main__":
    server = litserve.LitServer(Identity(), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, generate_client_file=False,
               log_level="warning", access_log=False)
