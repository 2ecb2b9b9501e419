#!/usr/bin/env python3
"""The steps of `bench/finetune.ts` in plain PyTorch: the same batches in the same order, the same new classifier,
AdamW, rates, clipping and dropout (of other random numbers). Written for the developers' shared folder, whose
tools/spikegpt_torch.py is the network.

usage: finetune_torch.py TOOLS CHECKPOINT.pth RECIPE.json
prints a line of JSON: seconds and mean NLL of each step.
"""
import json
import math
import sys
import time

import torch
from torch.nn import functional as F

LEAST_RATE = 0.1


def rate_at(step: int, steps: int, rate: float, warmup: int) -> float:
    if step <= warmup:
        return rate * step / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    return rate * (LEAST_RATE + (1 - LEAST_RATE) * (1 + math.cos(math.pi * done)) / 2)


def main() -> None:
    tools, checkpoint, path = sys.argv[1:]
    sys.path.insert(0, tools)
    from spikegpt_torch import SpikeGPT

    with open(path, encoding="utf-8") as file:
        recipe = json.load(file)
    torch.set_num_threads(recipe["threads"])
    torch.manual_seed(1)
    weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
    vocab, width = weights["emb.weight"].shape
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    model = SpikeGPT(vocab, width, layers, drop=recipe["dropout"], classes=2)
    classifier = torch.tensor(recipe["classifier"]).reshape(2, width)
    model.load_state_dict({**weights, "classifier.weight": classifier})
    model.head.weight.requires_grad_(False)
    used = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in used if p.squeeze().dim() > 1]
    others = [p for p in used if p.squeeze().dim() <= 1]
    settings = {"lr": recipe["rate"], "betas": (0.9, 0.999), "eps": 1e-8}
    groups = [{"params": decayed, "weight_decay": recipe["decay"]}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, **settings)
    model.train()
    seconds, processor, losses = [], [], []
    for at, batch in enumerate(recipe["batches"]):
        started, worked = time.perf_counter(), time.process_time()
        ids = torch.tensor(batch["ids"]).reshape(batch["rows"], -1)
        mask = torch.arange(ids.shape[1])[None, :] < torch.tensor(batch["lengths"])[:, None]
        for group in optimizer.param_groups:
            group["lr"] = rate_at(at + 1, recipe["steps"], recipe["rate"], recipe["warmup"])
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model.classify(ids, mask), torch.tensor(batch["labels"]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(used, recipe["clip"])
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - worked)
    print(json.dumps({"seconds": seconds, "processor": processor, "losses": losses}))


main()
