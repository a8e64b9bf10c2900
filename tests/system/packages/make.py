# SPDX-License-Identifier: Apache-2.0
"""Made slow/ and typist/: TorchScript models that take the time they are asked to take, on any machine and under any load; and critic/,
which likes bright pictures. Run again with PyTorch when one must change.

    python make.py && serin package seal slow && serin package seal typist && serin package seal critic
"""
import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
END = 256  # the token after those of the bytes


def wait(seconds: float) -> None:
    """Returns after this time and not before, by the clock that a TorchScript model can read."""
    nanoseconds = int(seconds * 1e9)
    began = torch.ops.prim.TimePoint()
    while torch.ops.prim.TimePoint() - began < nanoseconds:
        pass


class Slow(torch.nn.Module):
    """Doubles x in the longest time that a row asks for."""

    def forward(self, x: torch.Tensor, seconds: torch.Tensor) -> torch.Tensor:
        wait(float(seconds.max()))
        return x * 2


class Typist(torch.nn.Module):
    """Types small letters, which depend on the letter before; a step takes the longest time that a row asks for."""

    def forward(self, tokens: torch.Tensor, pace: torch.Tensor) -> torch.Tensor:
        wait(float(pace.max()))
        logits = torch.full([tokens.size(0), tokens.size(1), 257], -100.0)
        letters = torch.arange(1, 27, dtype=torch.float32)
        logits[:, :, 97:123] = torch.sin(tokens.unsqueeze(-1).to(torch.float32) * letters)
        return logits


class Critic(torch.nn.Module):
    """How bright a picture is, from 0 to 1."""

    def forward(self, answer: torch.Tensor) -> torch.Tensor:
        return answer.mean(dim=[1, 2, 3])


def tokenizer():
    """One token a byte, in the spelling of byte-level BPE."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    spelt = {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    end = {"id": END, "content": "<end>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [end], "normalizer": None,
            "pre_tokenizer": level, "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                      "vocab": {spelt[byte]: byte for byte in range(256)} | {"<end>": END}, "merges": []}}


if __name__ == "__main__":
    torch.jit.script(Slow()).save(str(HERE / "slow/model.pt"))
    torch.jit.script(Typist()).save(str(HERE / "typist/model.pt"))
    torch.jit.script(Critic()).save(str(HERE / "critic/model.pt"))
    (HERE / "typist/tokenizer.json").write_text(json.dumps(tokenizer(), ensure_ascii=False, separators=(",", ":")) + "\n")
