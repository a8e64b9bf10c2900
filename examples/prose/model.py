# SPDX-License-Identifier: Apache-2.0
"""The prose transformer: a small decoder with RMSNorm, rotary positions, SwiGLU and shared keys.

`Prose` holds the weights and is trained on whole sequences. `Serving` computes the same function
one chunk at a time against a cache, in float32, and is what is exported. Letters in shapes:
B sequences, N slots, T tokens of a call, D width, H query heads, G key and value heads, E width of
a head, L layers, C places of the cache, V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5


@dataclass
class Config:
    """Sizes of the network."""

    vocabulary: int = 4096
    width: int = 256
    layers: int = 4
    heads: int = 4
    shared_heads: int = 2
    hidden: int = 768
    context: int = 512
    chunk: int = 32

    @property
    def head_width(self):
        return self.width // self.heads

    @property
    def places(self):
        """Cache places of a sequence: a chunk that begins at the last position still fits."""
        return self.context + self.chunk


def rotary_table(config):
    """Cosines and sines of each position: two tensors [C, E / 2]."""
    half = config.head_width // 2
    frequency = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(config.places, dtype=torch.float64)[:, None] * frequency
    return torch.cos(angle).float(), torch.sin(angle).float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns pairs (i, i + E / 2) of the last dimension of x [..., E] by the given angles."""
    half = x.size(-1) // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def normalise(x: Tensor) -> Tensor:
    """RMSNorm without a gain; the next matrix learns the gain."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)


class Layer(nn.Module):
    """The weights of one layer, each stored [out, in]."""

    def __init__(self, config):
        super().__init__()
        width, kept = config.width, config.shared_heads * config.head_width
        self.query_key_value = nn.Parameter(torch.randn(width + 2 * kept, width) * width ** -0.5)
        self.mix = nn.Parameter(torch.zeros(width, width))
        self.gate_up = nn.Parameter(torch.randn(2 * config.hidden, width) * width ** -0.5)
        self.down = nn.Parameter(torch.zeros(width, config.hidden))


class Prose(nn.Module):
    """The model as it is trained: `forward` maps tokens [B, T] to logits [B, T, V]."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.randn(config.vocabulary, config.width) * 0.03)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        cos, sin = rotary_table(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens):
        config = self.config
        batch, length = tokens.shape
        width, head = config.width, config.head_width
        kept = config.shared_heads * head
        cos, sin = self.cos[:length], self.sin[:length]
        group = config.heads // config.shared_heads
        unseen = torch.full((length, length), float("-inf"), device=tokens.device).triu(1)
        x = normalise(F.embedding(tokens, self.embedding))
        for layer in self.layers:
            parts = F.linear(normalise(x), layer.query_key_value).split([width, kept, kept], -1)
            q, k, v = (p.unflatten(-1, (-1, head)).transpose(1, 2) for p in parts)  # [B, *, T, E]
            q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
            # Heads that share a key are taken as one long sequence: [B * G, H / G * T, E]. On a
            # processor these plain products are faster to differentiate than fused attention.
            q = q.reshape(-1, group * length, head) * head ** -0.5
            k, v = k.reshape(-1, length, head), v.reshape(-1, length, head)
            mask = unseen.to(q.dtype).repeat(group, 1).expand(q.size(0), -1, -1)
            share = torch.softmax(torch.baddbmm(mask, q, k.transpose(1, 2)), -1, dtype=q.dtype)
            seen = torch.bmm(share, v)
            seen = seen.view(batch, config.heads, length, head).transpose(1, 2)
            x = x + F.linear(seen.reshape(batch, length, width), layer.mix)
            gate, up = F.linear(normalise(x), layer.gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, layer.down)
        return F.linear(normalise(x), self.embedding)


class Serving(nn.Module):
    """The model as it is served: chunks of tokens, a cache, float32 arithmetic.

    Weights are stored as float16 and widened in each call, so that the file is small while the
    results are those of float32. Every matrix product is of the same shape in each call, and no
    operation mixes rows: a row's logits do not depend on what the other rows hold.
    """

    def __init__(self, trained):
        super().__init__()
        config = trained.config
        self.heads = config.heads
        self.shared_heads = config.shared_heads
        self.head_width = config.head_width
        self.context = config.context
        self.register_buffer("embedding", trained.embedding.detach().half())
        for name in ("query_key_value", "mix", "gate_up", "down"):
            stacked = torch.stack([getattr(layer, name).detach() for layer in trained.layers])
            self.register_buffer(name, stacked.half())
        cos, sin = rotary_table(config)
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)

    def forward(self, tokens: Tensor, positions: Tensor, lengths: Tensor, cache_k: Tensor,
                cache_v: Tensor):
        """One step of each slot.

        tokens int64 [N, T]; positions int64 [N], the position of a row's first token; lengths
        int64 [N], how many of its tokens count; cache_k and cache_v float32 [N, L, G, C, E],
        changed in place. Returns the logits float32 [N, V] after each row's last counted token,
        and both caches.
        """
        slots, steps = tokens.size(0), tokens.size(1)
        heads, shared, head = self.heads, self.shared_heads, self.head_width
        width, kept = heads * head, shared * head
        offsets = torch.arange(steps, device=tokens.device)
        first = positions.clamp(0, self.context)
        places = first.unsqueeze(1) + offsets  # [N, T]
        counted = (offsets < lengths.unsqueeze(1)).view(slots, 1, steps, 1)
        kept_places = places.view(slots, 1, steps, 1).expand(slots, shared, steps, head)
        cos, sin = self.cos[places].unsqueeze(1), self.sin[places].unsqueeze(1)  # [N, 1, T, E / 2]
        # A token sees the places up to its own; [N, 1, T, C].
        hidden = torch.arange(cache_k.size(3), device=tokens.device) > places.unsqueeze(2)
        hidden = hidden.unsqueeze(1).unsqueeze(2)
        embedding = self.embedding.float()
        x = normalise(embedding[tokens])
        for i in range(self.mix.size(0)):
            both = F.linear(normalise(x), self.query_key_value[i].float())
            q = both[..., :width].view(slots, steps, heads, head).transpose(1, 2)
            k = both[..., width:width + kept].view(slots, steps, shared, head).transpose(1, 2)
            v = both[..., width + kept:].reshape(slots, steps, shared, head).transpose(1, 2)
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
            keys, values = cache_k[:, i], cache_v[:, i]  # views [N, G, C, E]
            keys.scatter_(2, kept_places, torch.where(counted, k, keys.gather(2, kept_places)))
            values.scatter_(2, kept_places, torch.where(counted, v, values.gather(2, kept_places)))
            # The heads that share a key are a dimension of their own: [N, G, H / G, T, E].
            q = q.view(slots, shared, heads // shared, steps, head)
            scores = torch.matmul(q.flatten(2, 3), keys.transpose(2, 3)) * head ** -0.5
            scores = scores.view(slots, shared, heads // shared, steps, keys.size(2))
            share = torch.softmax(scores.masked_fill(hidden, float("-inf")), dim=-1)
            seen = torch.matmul(share.flatten(2, 3), values)
            seen = seen.view(slots, heads, steps, head).transpose(1, 2).reshape(slots, steps, width)
            x = x + F.linear(seen, self.mix[i].float())
            gate, up = F.linear(normalise(x), self.gate_up[i].float()).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, self.down[i].float())
        last = (lengths - 1).clamp(min=0).view(slots, 1, 1).expand(slots, 1, width)
        x = normalise(x.gather(1, last).squeeze(1))
        return F.linear(x, embedding), cache_k, cache_v
