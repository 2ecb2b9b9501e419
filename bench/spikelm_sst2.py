#!/usr/bin/env python3
"""Trains a small SpikeLM on SST-2 in plain PyTorch and writes it as the published code would: names, ternary
amplitudes and all, with config.json and vocab.txt beside it.

usage: spikelm_sst2.py train TRAIN.tsv DEV.tsv FOLDER [--epochs 4 --layers 3 --width 128 --steps 4 --minutes 45]
       spikelm_sst2.py test FOLDER DEV.tsv
The second prints a line of JSON: the accuracy on DEV, sentence by sentence, with the class logits; `qslm eval
FOLDER/pytorch_model.bin --data DEV.tsv` must find the same. Equations: Xing et al., 2024 (SpikeLM), spiking.py and
spike_bert.py. Nothing is pre-trained, so the accuracy is that of a small model from nothing.
"""
import argparse
import json
import math
import random
import re
import time
import unicodedata
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DECAY, LEAST, SPECIAL = 0.25, 1e-5, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


class Ternary(torch.autograd.Function):
    """alpha * clip(round(m / alpha), -1, 1); the gradient passes where |m| <= alpha (straight through)."""

    @staticmethod
    def forward(ctx, m: Tensor, alpha: Tensor) -> Tensor:
        alpha = alpha.clamp(min=LEAST)
        scaled = m / alpha
        ctx.save_for_backward(scaled)
        return scaled.round().clamp(-1, 1) * alpha

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (scaled,) = ctx.saved_tensors
        return gradient * (scaled.abs() <= 1), None


class Amplitudes(nn.ParameterList):
    """One a step, without gradient. The first batch sets each that is 1: twice the mean of |m|."""

    def __init__(self, steps: int):
        super().__init__(nn.Parameter(torch.tensor(1.0), requires_grad=False) for _ in range(steps))

    def spike(self, m: Tensor, t: int) -> Tensor:
        if self[t].item() == 1:
            self[t].data.copy_(2 * m.detach().abs().mean())
        return Ternary.apply(m, self[t])


class SpikeLinear(nn.Linear):
    """Reads x [T, ..., in] through ternary neurons with a membrane."""

    def __init__(self, inputs: int, outputs: int, steps: int):
        super().__init__(inputs, outputs)
        self.act_clip_val = Amplitudes(steps)
        self.register_buffer("weight_clip_val", torch.tensor([2.5]))

    def forward(self, x: Tensor) -> Tensor:
        spikes, rest = [], 0
        for t, now in enumerate(x):
            m = now + rest
            s = self.act_clip_val.spike(m, t)
            rest = m * DECAY * (self.act_clip_val[t] - s.detach())
            spikes.append(s)
        return F.linear(torch.stack(spikes), self.weight, self.bias)


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int, steps: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (SpikeLinear(width, width, steps) for _ in range(3))
        self.clip_key, self.clip_value = Amplitudes(steps), Amplitudes(steps)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        query, key, value = self.query(x), self.key(x), self.value(x)
        key = torch.stack([self.clip_key.spike(now, t) for t, now in enumerate(key)])
        value = torch.stack([self.clip_value.spike(now, t) for t, now in enumerate(value)])
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        query, key, value = split(query), split(key), split(value)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(~mask[None, :, None, None, :], torch.finfo(scores.dtype).min)
        return (scores.softmax(-1) @ value).transpose(-2, -3).flatten(-2)


class Output(nn.Module):
    def __init__(self, inputs: int, width: int, steps: int, dropout: float):
        super().__init__()
        self.dense = SpikeLinear(inputs, width, steps)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, steps: int, dropout: float):
        super().__init__()
        self.attention = nn.ModuleDict({
            "self": SelfAttention(width, heads, steps),
            "output": Output(width, width, steps, dropout),
        })
        self.intermediate = nn.ModuleDict({"dense": SpikeLinear(width, 4 * width, steps)})
        self.output = Output(4 * width, width, steps, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(F.gelu(self.intermediate["dense"](y)), y)


class SpikeLM(nn.Module):
    def __init__(self, vocabulary: int, *, width: int, layers: int, heads: int, steps: int, positions: int,
                 dropout: float = 0.1):
        super().__init__()
        self.steps, self.dropout = steps, nn.Dropout(dropout)
        tables = {"word": vocabulary, "position": positions, "token_type": 2}
        embeddings = nn.ModuleDict({f"{name}_embeddings": nn.Embedding(rows, width) for name, rows in tables.items()})
        embeddings["LayerNorm"] = nn.LayerNorm(width, eps=1e-12)
        embeddings.register_buffer("position_ids", torch.arange(positions)[None])
        stack = nn.ModuleList(Layer(width, heads, steps, dropout) for _ in range(layers))
        self.bert = nn.ModuleDict({
            "embeddings": embeddings,
            "encoder": nn.ModuleDict({"layer": stack}),
            "pooler": nn.ModuleDict({"dense": nn.Linear(width, width)}),
        })
        self.classifier = nn.Linear(width, 2)
        for table in tables:
            nn.init.normal_(embeddings[f"{table}_embeddings"].weight, std=0.05)

    def forward(self, ids: Tensor) -> Tensor:
        """Class logits [B, 2] of ids [B, L], padded with 0."""
        parts = self.bert["embeddings"]
        words = parts["word_embeddings"](ids) + parts["token_type_embeddings"].weight[0]
        e = self.dropout(parts["LayerNorm"](words + parts["position_embeddings"].weight[: ids.shape[1]]))
        x, mask = e.expand(self.steps, *e.shape), ids != 0
        for layer in self.bert["encoder"]["layer"]:
            x = layer(x, mask)
        pooled = torch.tanh(self.bert["pooler"]["dense"](x.mean(0)[:, 0]))
        return self.classifier(self.dropout(pooled))


def words_of(text: str) -> list[str]:
    """BERT's splitting of uncased text: no accents, punctuation apart."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    return re.findall(r"[^\W_]+|[^\w\s]|_", plain)


def pieces_of(word: str, vocabulary: dict[str, int]) -> list[int]:
    """The longest pieces from the left; [UNK] where there is none."""
    found, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                found.append(vocabulary[piece])
                start = end
                break
        else:
            return [1]
    return found


def make_vocabulary(texts: list[str], words: int = 6000, ends: int = 1500) -> list[str]:
    """Special tokens, letters alone and within words, the most frequent words and ends of words."""
    counts = Counter(word for text in texts for word in words_of(text))
    letters = sorted({letter for word in counts for letter in word})
    frequent = [word for word, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:words]]
    known, tails = set(frequent), Counter()
    for word, count in counts.items():
        if word not in known:
            tails.update({word[at:]: count for at in range(1, len(word))})
    common = [tail for tail, _ in sorted(tails.items(), key=lambda one: (-one[1], one[0]))[:ends]]
    return list(dict.fromkeys(SPECIAL + letters + ["##" + one for one in letters] + frequent
                              + ["##" + one for one in common]))


def read_tsv(path: str) -> list[tuple[str, int]]:
    rows = [line.rsplit("\t", 1) for line in Path(path).read_text(encoding="utf-8").splitlines()[1:]]
    return [(text, int(label)) for text, label in rows]


def encode(text: str, vocabulary: dict[str, int], longest: int) -> list[int]:
    body = [piece for word in words_of(text) for piece in pieces_of(word, vocabulary)]
    return [2, *body[: longest - 2], 3]


def padded(rows: list[list[int]]) -> Tensor:
    most = max(map(len, rows))
    return torch.tensor([row + [0] * (most - len(row)) for row in rows])


@torch.no_grad()
def evaluate(model: SpikeLM, rows: list[tuple[list[int], int]], batch: int = 64) -> tuple[float, list[list[float]]]:
    model.eval()
    logits = []
    for at in range(0, len(rows), batch):
        logits += model(padded([ids for ids, _ in rows[at : at + batch]])).tolist()
    right = sum((two[1] > two[0]) == (label == 1) for two, (_, label) in zip(logits, rows))
    return right / len(rows), logits


def write(model: SpikeLM, vocabulary: list[str], config: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")


def train(flags: argparse.Namespace) -> None:
    torch.manual_seed(flags.seed)
    random.seed(flags.seed)
    texts, dev = read_tsv(flags.train), read_tsv(flags.dev)
    vocabulary = make_vocabulary([text for text, _ in texts])
    ids = {token: at for at, token in enumerate(vocabulary)}
    rows = [(encode(text, ids, flags.positions), label) for text, label in texts]
    held = [(encode(text, ids, flags.positions), label) for text, label in dev]
    sizes = {"width": flags.width, "layers": flags.layers, "heads": flags.heads, "steps": flags.steps,
             "positions": flags.positions}
    config = {"model_type": "bert", "hidden_size": flags.width, "num_hidden_layers": flags.layers,
              "num_attention_heads": flags.heads, "intermediate_size": 4 * flags.width, "T": flags.steps,
              "max_position_embeddings": flags.positions, "vocab_size": len(vocabulary), "type_vocab_size": 2}
    model = SpikeLM(len(vocabulary), **sizes)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=flags.rate, weight_decay=0.01)
    total = flags.epochs * (len(rows) // flags.batch)
    shape = lambda step: min(1, (step + 1) / 100) * max(0.02, 0.5 * (1 + math.cos(math.pi * min(step / total, 1))))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, shape)
    started, step = time.time(), 0
    print(len(vocabulary), "tokens,", sum(p.numel() for p in model.parameters()), "parameters,", total, "steps")
    for epoch in range(flags.epochs):
        # Batches of like lengths, in random order.
        order = sorted(range(len(rows)), key=lambda at: len(rows[at][0]) + random.random())
        batches = [order[at : at + flags.batch] for at in range(0, len(order) - flags.batch + 1, flags.batch)]
        random.shuffle(batches)
        model.train()
        losses = []
        for batch in batches:
            labels = torch.tensor([rows[at][1] for at in batch])
            loss = F.cross_entropy(model(padded([rows[at][0] for at in batch])), labels)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step += 1
            losses.append(loss.item())
            if step % 50 == 0:
                print(step, f"{sum(losses[-50:]) / 50:.4f}", f"{time.time() - started:.0f} s", flush=True)
            if time.time() - started > flags.minutes * 60:
                break
        accuracy, _ = evaluate(model, held)
        print("epoch", epoch + 1, f"loss {sum(losses) / len(losses):.4f}", f"dev {accuracy:.4f}", flush=True)
        # The last, not the best: the best would be picked on dev.
        write(model, vocabulary, config, Path(flags.folder))
        if time.time() - started > flags.minutes * 60:
            break


def test(flags: argparse.Namespace) -> None:
    folder = Path(flags.folder)
    config = json.loads((folder / "config.json").read_text())
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    positions = config["max_position_embeddings"]
    model = SpikeLM(len(vocabulary), width=config["hidden_size"], layers=config["num_hidden_layers"],
                    heads=config["num_attention_heads"], steps=config["T"], positions=positions)
    model.load_state_dict(torch.load(folder / "pytorch_model.bin", weights_only=True))
    ids = {token: at for at, token in enumerate(vocabulary)}
    accuracy, logits = evaluate(model, [(encode(text, ids, positions), label) for text, label in read_tsv(flags.dev)])
    print(json.dumps({"accuracy": accuracy, "logits": logits}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("train")
    for name in ("train", "dev", "folder"):
        training.add_argument(name)
    for name, value in {"epochs": 4, "layers": 3, "width": 128, "heads": 4, "steps": 4, "positions": 128, "batch": 64,
                        "seed": 1}.items():
        training.add_argument(f"--{name}", type=int, default=value)
    training.add_argument("--rate", type=float, default=5e-4)
    training.add_argument("--minutes", type=float, default=45)
    training.set_defaults(run=train)
    testing = commands.add_parser("test")
    testing.add_argument("folder")
    testing.add_argument("dev")
    testing.set_defaults(run=test)
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    flags.run(flags)


if __name__ == "__main__":
    main()
