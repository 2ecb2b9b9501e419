#!/usr/bin/env python3
"""SpikeGPT's forward pass with random weights in plain PyTorch, float32, for `npm run bench:gpu`.

usage: torch_peer.py DEVICE VOCAB WIDTH HIDDEN LAYERS BATCH TOKENS ROUNDS
prints a line of JSON: tokens a second of the whole pass, whose two scans go over tokens in TorchScript, and of its
matrix products alone, which no way of computing the scans can exceed; and the device's ceilings as PyTorch finds them.
"""
import json
import sys
import time

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.jit.script
def wkv(k: Tensor, v: Tensor, w: Tensor, u: Tensor) -> Tensor:
    a, b, p = torch.zeros_like(k[:, 0]), torch.zeros_like(k[:, 0]), torch.full_like(k[:, 0], -1e38)
    out = torch.empty_like(k)
    for t in range(k.size(1)):
        now = u + k[:, t]
        top = torch.maximum(p, now)
        past, present = torch.exp(p - top), torch.exp(now - top)
        out[:, t] = (past * a + present * v[:, t]) / (past * b + present)
        top = torch.maximum(p + w, k[:, t])
        past, present = torch.exp(p + w - top), torch.exp(k[:, t] - top)
        a, b, p = past * a + present * v[:, t], past * b + present, top
    return out


@torch.jit.script
def lif(x: Tensor) -> Tensor:
    v = torch.zeros_like(x[:, 0])
    out = torch.empty_like(x)
    for t in range(x.size(1)):
        h = v + (x[:, t] - v) / 2
        spike = (h >= 1).to(x.dtype)
        v = h * (1 - spike)
        out[:, t] = spike
    return out


def main() -> None:
    device = sys.argv[1]
    vocab, width, hidden, layers, batch, tokens, rounds = map(int, sys.argv[2:])
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(1)

    def weight(rows: int, columns: int) -> Tensor:
        return (torch.rand(rows, columns, device=device) - 0.5) * (6 / rows**0.5)

    names = {"k": (width, width), "v": (width, width), "r": (width, width), "o": (width, width),
             "up": (width, hidden), "gate": (width, width), "down": (hidden, width)}
    blocks = [{name: weight(*shape) for name, shape in names.items()} for _ in range(layers)]
    head, table = weight(width, vocab), (torch.rand(vocab, width, device=device) > 0.5).float()
    ids = torch.randint(vocab, (batch, tokens), device=device)
    half, decay, first = (torch.full((width,), x, device=device) for x in (0.5, -1.0, 0.3))

    def norm(x: Tensor) -> Tensor:
        return F.layer_norm(x, (width,))

    def mixed(x: Tensor) -> Tensor:
        before = F.pad(x, (0, 0, 1, -1))
        return before + (x - before) * half

    def likelihood(x: Tensor) -> Tensor:
        return F.cross_entropy((x @ head).view(-1, vocab), ids.view(-1))

    def forward() -> Tensor:
        x = norm(table[ids])
        for m in blocks:
            y = norm(x)
            average = wkv(mixed(y) @ m["k"], mixed(y) @ m["v"], decay, first)
            x = x + lif((torch.sigmoid(mixed(y) @ m["r"]) * average) @ m["o"])
            y = norm(x)
            inner = torch.relu(mixed(y) @ m["up"]) ** 2 @ m["down"]
            x = x + lif(torch.sigmoid(mixed(y) @ m["gate"]) * inner)
        return likelihood(norm(x))

    def products() -> Tensor:
        x = table[ids]
        for m in blocks:
            for name in ("k", "v", "r", "o", "gate"):
                x @ m[name]
            x @ m["up"] @ m["down"]
        return x @ head

    def seconds(run) -> float:
        def once() -> float:
            start = time.perf_counter()
            result = run()
            result.reshape(-1)[:1].cpu()  # waits for the device
            return time.perf_counter() - start
        with torch.no_grad():
            for _ in range(2):  # TorchScript compiles at the second run
                once()
            times = sorted(once() for _ in range(rounds))
        return times[len(times) // 2]

    size = 4096 if device == "cuda" else 1024
    square, stream = torch.rand(size, size, device=device), torch.rand(size * size, device=device)
    print(json.dumps({
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "forward": batch * tokens / seconds(forward),
        "products": batch * tokens / seconds(products),
        "gflops": 2 * size**3 / seconds(lambda: square @ square) / 1e9,
        "gigabytes": 8 * size * size / seconds(lambda: stream + 1.0) / 1e9,
    }))


main()
