# SPDX-License-Identifier: Apache-2.0
"""A Flask app as people have them: one route of its own, JSON in, a picture out. Nothing here knows Serin."""
import os
import random
import struct
import zlib

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size, colour):
    """A square of one colour."""
    rows = (b"\0" + bytes(colour) * size) * size
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@app.post("/predict")
def predict():
    ask = request.get_json()
    print("painting", ask["style"], flush=True)
    draw = random.Random(f"{ask['prompt']} {ask['style']} {ask['seed']}")
    return Response(png(ask["size"], [draw.randrange(256) for _ in range(3)]), mimetype="image/png")


@app.get("/health")
def health():
    return jsonify(ok=True)


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
