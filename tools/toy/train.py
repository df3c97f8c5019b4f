#!/usr/bin/env python3
"""Trains the toy model and writes it as GGUF.

A 3.7M-parameter llama-style decoder (RMSNorm, RoPE, SwiGLU, grouped-query attention, tied head)
with a 1,024-entry byte-level BPE vocabulary, trained on one text file. Needs PyTorch (Debian:
python3-torch, libopenblas0-pthread).

    train.py TEXT --out toy.gguf --minutes 50
    train.py TEXT --out toy.gguf --from checkpoint.pt      # export only
"""
import argparse
import collections
import math
import re
import struct
import time

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, LAYERS, HEADS, KV_HEADS, HEAD_SIZE, FFN, CONTEXT = 256, 5, 4, 2, 64, 640, 512
VOCAB, BATCH, DROPOUT, PEAK_RATE, ROPE_BASE, EPSILON = 1024, 10, 0.2, 1.2e-3, 10000.0, 1e-5
END = "<|endoftext|>"

# GPT-2's reversible map from bytes to printable characters, and its word pattern restricted to
# ASCII classes.
PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
SHIFTED = [b for b in range(256) if b not in PRINTABLE]
BYTE_TO_CHAR = {b: chr(b) for b in PRINTABLE}
BYTE_TO_CHAR.update({b: chr(256 + i) for i, b in enumerate(SHIFTED)})
WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def words(text):
    return ["".join(BYTE_TO_CHAR[b] for b in word.encode()) for word in WORD.findall(text)]


def merge(symbols, pair):
    """Replaces every occurrence of the adjacent pair in a list of symbols by its concatenation."""
    out, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i:i + 2]) == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


def train_bpe(text):
    """Returns (vocabulary: bytes by code point, merges by falling pair count, END; merges)."""
    count = collections.Counter(words(text))
    split = {word: list(word) for word in count}
    vocab, merges = sorted(BYTE_TO_CHAR.values(), key=ord), []
    while len(vocab) < VOCAB - 1:
        pairs = collections.Counter()
        for word, symbols in split.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += count[word]
        best = max(pairs.items(), key=lambda item: (item[1], item[0]))[0]
        merges.append(best)
        vocab.append(best[0] + best[1])
        split = {w: merge(s, best) if vocab[-1] in w else s for w, s in split.items()}
    return [*vocab, END], merges


def encoder(vocab, merges):
    """Returns the function from text to token ids."""
    ids = {token: i for i, token in enumerate(vocab)}
    rank = {pair: i for i, pair in enumerate(merges)}
    known = {}

    def encode_word(word):
        if word not in known:
            symbols = list(word)
            while len(symbols) > 1:
                pair = min(zip(symbols, symbols[1:]), key=lambda p: rank.get(p, len(rank)))
                if pair not in rank:
                    break
                symbols = merge(symbols, pair)
            known[word] = [ids[s] for s in symbols]
        return known[word]

    def encode(text):
        return [i for word in words(text) for i in encode_word(word)]

    return encode


class RmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * self.w


def rope(x):
    """Rotates neighbouring pairs, as GGUF's llama does; x is [batch, heads, tokens, HEAD_SIZE]."""
    frequency = ROPE_BASE ** (-torch.arange(0, HEAD_SIZE, 2) / HEAD_SIZE)
    angle = torch.outer(torch.arange(x.shape[-2]).float(), frequency)
    cos, sin, even, odd = angle.cos(), angle.sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


def heads(x, count):
    """[batch, tokens, count * HEAD_SIZE] to [batch, count, tokens, HEAD_SIZE]."""
    return x.view(*x.shape[:2], count, HEAD_SIZE).transpose(1, 2)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2, self.drop = RmsNorm(), RmsNorm(), nn.Dropout(DROPOUT)
        self.q, self.o = linear(WIDTH, HEADS * HEAD_SIZE), linear(HEADS * HEAD_SIZE, WIDTH)
        self.k, self.v = linear(WIDTH, KV_HEADS * HEAD_SIZE), linear(WIDTH, KV_HEADS * HEAD_SIZE)
        self.g, self.u, self.d = linear(WIDTH, FFN), linear(WIDTH, FFN), linear(FFN, WIDTH)

    def forward(self, x, mask):
        h = self.n1(x)
        q, k = rope(heads(self.q(h), HEADS)), rope(heads(self.k(h), KV_HEADS))
        v = heads(self.v(h), KV_HEADS)
        k, v = (y.repeat_interleave(HEADS // KV_HEADS, 1) for y in (k, v))
        scores = (q @ k.transpose(-1, -2)) / math.sqrt(HEAD_SIZE) + mask
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(*x.shape[:2], -1)
        x = x + self.drop(self.o(mixed))
        h = self.n2(x)
        return x + self.drop(self.d(F.silu(self.g(h)) * self.u(h)))


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.n, self.drop = nn.Embedding(VOCAB, WIDTH), RmsNorm(), nn.Dropout(DROPOUT)
        self.b = nn.ModuleList(Block() for _ in range(LAYERS))
        for name, p in self.named_parameters():
            if p.dim() > 1:  # the matrices that add to the residual stream start smaller
                residual = name.endswith(("o.weight", "d.weight"))
                nn.init.normal_(p, 0, 0.02 / (math.sqrt(2 * LAYERS) if residual else 1))

    def forward(self, ids):
        x = self.drop(self.e(ids))
        mask = torch.full((ids.shape[1],) * 2, float("-inf")).triu(1)
        for block in self.b:
            x = block(x, mask)
        return self.n(x) @ self.e.weight.t()


@torch.no_grad()
def validation_loss(model, ids):
    model.eval()
    losses = []
    for i in range(0, len(ids) - CONTEXT - 1, CONTEXT):
        logits = model(ids[None, i:i + CONTEXT])[0]
        losses.append(F.cross_entropy(logits, ids[i + 1:i + CONTEXT + 1]))
    model.train()
    return sum(losses).item() / len(losses)


def train(model, train_ids, valid_ids, minutes, checkpoint):
    """Trains by wall clock, cosine rate; every 50 steps the best weights go to `checkpoint`."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    gains = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    start, best, step = time.time(), math.inf, 0
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        warm_up = min(1, (step + 1) / 100)
        decay = 0.05 + 0.475 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * warm_up * decay
        at = torch.randint(0, len(train_ids) - CONTEXT - 1, (BATCH,))
        x, y = (torch.stack([train_ids[i + s:i + s + CONTEXT] for i in at]) for s in (0, 1))
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            valid = validation_loss(model, valid_ids)
            print(f"step {step}  train {loss.item():.3f}  valid {valid:.4f}  "
                  f"{time.time() - start:.0f} s", flush=True)
            if valid < best:
                best = valid
                torch.save(model.state_dict(), checkpoint)


def gguf_string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_value(value):
    """A metadata value with its type code; an array holds strings or int32."""
    if isinstance(value, str):
        return struct.pack("<I", 8) + gguf_string(value)
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(gguf_string, value))
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


NAMES = {
    "n1": "attn_norm", "n2": "ffn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v",
    "o": "attn_output", "g": "ffn_gate", "u": "ffn_up", "d": "ffn_down",
    "e": "token_embd", "n": "output_norm",
}


def gguf_name(key):
    """The tensor's name in the file for a key of the model's state ("b.3.q.weight", "e.weight")."""
    parts = key.split(".")
    if parts[0] == "b":
        return f"blk.{parts[1]}.{NAMES[parts[2]]}.weight"
    return f"{NAMES[parts[0]]}.weight"


def metadata(vocab, merges):
    return {
        "general.architecture": "llama", "general.name": "toy-shakespeare",
        "general.alignment": 32, "llama.context_length": CONTEXT,
        "llama.embedding_length": WIDTH, "llama.block_count": LAYERS,
        "llama.feed_forward_length": FFN, "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.attention.layer_norm_rms_epsilon": EPSILON,
        "llama.rope.dimension_count": HEAD_SIZE, "llama.rope.freq_base": ROPE_BASE,
        "llama.vocab_size": VOCAB, "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": vocab, "tokenizer.ggml.token_type": [1] * (VOCAB - 1) + [3],
        "tokenizer.ggml.merges": [" ".join(m) for m in merges],
        "tokenizer.ggml.bos_token_id": VOCAB - 1, "tokenizer.ggml.eos_token_id": VOCAB - 1,
        "tokenizer.ggml.add_bos_token": False,
    }


def write_gguf(path, state, vocab, merges):
    """GGUF version 3, alignment 32: matrices are bfloat16 (type 30), gains float32 (type 0)."""
    tensors, data = [], b""
    for key, value in state.items():
        matrix = value.dim() > 1
        stored = value.bfloat16().view(torch.int16) if matrix else value.float()
        raw = stored.numpy().tobytes()
        dims = list(reversed(value.shape))
        tensors.append(gguf_string(gguf_name(key)) + struct.pack(
            f"<I{len(dims)}QIQ", len(dims), *dims, 30 if matrix else 0, len(data)))
        data += raw + bytes(-len(raw) % 32)
    meta = metadata(vocab, merges)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(meta))
    head += b"".join(gguf_string(key) + gguf_value(value) for key, value in meta.items())
    head += b"".join(tensors)
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % 32) + data)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", help="training text, UTF-8; its last tenth is held out")
    parser.add_argument("--out", default="toy.gguf", help="the GGUF file to write")
    parser.add_argument("--minutes", type=float, default=50, help="training time")
    parser.add_argument("--from", dest="source", help="export this checkpoint, without training")
    args = parser.parse_args()
    torch.manual_seed(1337)
    with open(args.text, encoding="utf-8") as file:
        text = file.read()
    split = text.rfind("\n\n", 0, int(len(text) * 0.9)) + 2
    vocab, merges = train_bpe(text[:split])
    model, encode = Toy(), encoder(vocab, merges)
    checkpoint = args.source or args.out + ".pt"
    if not args.source:
        train_ids = torch.tensor(encode(text[:split]))
        valid_ids = torch.tensor(encode(text[split:]))
        train(model, train_ids, valid_ids, args.minutes, checkpoint)
    write_gguf(args.out, torch.load(checkpoint), vocab, merges)


if __name__ == "__main__":
    main()
