# SPDX-License-Identifier: Apache-2.0
"""Makes the prose package: data, tokenizer, training, export.

    train.py data      --work DIR     download and clean the text
    train.py tokenizer --work DIR     learn the tokenizer and encode the text
    train.py train     --work DIR     train; resumable, writes a checkpoint every few minutes
    train.py export    --work DIR     write model.pt and tokenizer.json into the package

Without a word it does all four. The learning rate falls to zero at `--steps`, or when `--minutes`
of training end first; training can be stopped at any time and goes on from the newest checkpoint.
"""

import argparse
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import corpus
from model import Config, Prose, Serving

BEGIN, END = "<|begin|>", "<|end|>"
PACKAGE = Path(__file__).parent / "package"
CHECKPOINT = "checkpoint.pt"


def make_tokenizer(work, config):
    """Learns a byte-level BPE and writes `tokens.npy`: all training documents in one row.

    Documents are shuffled; each stands between the begin and the end token.
    """
    training = corpus.load(work / "train.txt")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary, special_tokens=[BEGIN, END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator((d.decode() for d in training), trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.save(str(work / "tokenizer.json"))

    np.random.default_rng(0).shuffle(training)
    begin, end = tokenizer.token_to_id(BEGIN), tokenizer.token_to_id(END)
    row = []
    for encoded in tokenizer.encode_batch([d.decode() for d in training]):
        row += [begin, *encoded.ids, end]
    tokens = np.array(row, dtype=np.uint16)
    np.save(work / "tokens.npy", tokens)
    size = sum(map(len, training))
    print(f"{size} bytes, {tokens.size} tokens, {size / tokens.size:.2f} bytes a token", flush=True)


class CrossEntropy(torch.autograd.Function):
    """The mean cost, in nats, of targets [R] under logits [R, V].

    The gradient is made along with the cost, some rows at a time, so that the float32 rows stay in
    the processor's cache.
    """

    @staticmethod
    def forward(ctx, logits, targets):
        gradient = torch.empty_like(logits)
        cost = 0.0
        for rows in torch.arange(targets.numel()).split(128):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            share = torch.softmax(logits[part].float(), -1)
            chosen = share.gather(1, targets[part, None])
            cost -= chosen.log().sum().item()
            share.scatter_(1, targets[part, None], chosen - 1)
            gradient[part] = share.mul_(1 / targets.numel())
        ctx.save_for_backward(gradient)
        return logits.new_tensor(cost / targets.numel(), dtype=torch.float32)

    @staticmethod
    def backward(ctx, outer):
        return ctx.saved_tensors[0] * outer.to(ctx.saved_tensors[0].dtype), None


def optimisers(model):
    """Muon for the matrices of the layers, AdamW for the embedding."""
    matrices = [p for layer in model.layers for p in layer.parameters()]
    return [torch.optim.Muon(matrices, lr=0.02, momentum=0.95, weight_decay=0.01),
            torch.optim.AdamW([model.embedding], lr=0.004, betas=(0.9, 0.95), weight_decay=0.0)]


def rate(done):
    """The factor of the learning rate at a share `done` of the steps: flat, then down to zero."""
    return max(min(1.0, (done + 0.001) / 0.01, (1.0 - done) / 0.6), 0.0)


def cost_and_gradients(model, rows):
    """The mean cost of `rows` [B, T + 1] and its gradient for each parameter."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(rows[:, :-1])
    loss = CrossEntropy.apply(logits.flatten(0, 1), rows[:, 1:].flatten())
    return loss.item(), torch.autograd.grad(loss, list(model.parameters()))


def train(work, config, steps, minutes, batch, threads):
    """Trains on `tokens.npy`, from the checkpoint if there is one, to so many steps or minutes.

    Each thread takes its share of a batch alone: threads that share one operation would wait for
    each other thousands of times in a step.
    """
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    torch.manual_seed(0)
    model = Prose(config)
    tuners = optimisers(model)
    rates = [t.param_groups[0]["lr"] for t in tuners]
    tokens = torch.from_numpy(np.load(work / "tokens.npy").astype(np.int64))
    window = config.context + 1
    step, spent = 0, 0.0
    if (work / CHECKPOINT).exists():
        saved = torch.load(work / CHECKPOINT)
        model.load_state_dict(saved["model"])
        for tuner, state in zip(tuners, saved["tuners"]):
            tuner.load_state_dict(state)
        step, spent = saved["step"], saved["spent"]
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    def save():
        torch.save({"model": model.state_dict(), "tuners": [t.state_dict() for t in tuners],
                    "step": step, "spent": spent, "config": vars(config)}, work / "new.pt")
        (work / "new.pt").rename(work / CHECKPOINT)

    begun, before = step, spent
    started, saved_at, mean = time.monotonic() - spent, spent, None
    while (done := max(step / steps, spent / (60 * minutes))) < 1:
        places = (torch.arange(batch) + step * batch) % (tokens.numel() // window)
        rows = torch.stack([tokens[p * window:(p + 1) * window] for p in places.tolist()])
        parts = rows.chunk(threads)
        costs, gradients = zip(*pool.map(cost_and_gradients, [model] * len(parts), parts))
        weights = [len(part) / batch for part in parts]
        cost = sum(w * c for w, c in zip(weights, costs))
        for parameter, *shares in zip(model.parameters(), *gradients):
            parameter.grad = sum(w * share for w, share in zip(weights, shares))
        for tuner, full in zip(tuners, rates):
            tuner.param_groups[0]["lr"] = full * rate(done)
            tuner.step()
            tuner.zero_grad(set_to_none=True)
        step += 1
        spent = time.monotonic() - started
        mean = cost if mean is None else 0.95 * mean + 0.05 * cost
        if step % 20 == 0:
            speed = (step - begun) * batch * config.context / (spent - before)
            print(f"step {step} at {spent:.0f} s: {mean:.3f} nats a token, {speed:.0f} tokens/s",
                  flush=True)
        if spent - saved_at > 120:
            save()
            saved_at = spent
    save()


def load_trained(work):
    """The model of the newest checkpoint."""
    saved = torch.load(Path(work) / CHECKPOINT)
    model = Prose(Config(**saved["config"]))
    model.load_state_dict(saved["model"])
    return model.eval()


def export(work):
    """Writes `model.pt` and `tokenizer.json` into the package."""
    PACKAGE.mkdir(exist_ok=True)
    serving = torch.jit.script(Serving(load_trained(work)).eval())
    serving.save(str(PACKAGE / "model.pt"))
    described = json.loads((work / "tokenizer.json").read_text())
    (PACKAGE / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False) + "\n")
    print(f"model.pt has {(PACKAGE / 'model.pt').stat().st_size} bytes", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", nargs="?",
                        choices=["data", "tokenizer", "train", "export"])
    parser.add_argument("--work", type=Path, required=True, help="folder for data and checkpoints")
    parser.add_argument("--steps", type=int, default=2000, help="how long to train")
    parser.add_argument("--minutes", type=float, default=math.inf, help="end early after so many")
    parser.add_argument("--batch", type=int, default=6, help="sequences in a step")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    config = Config()
    stages = {
        "data": lambda: corpus.build(options.work),
        "tokenizer": lambda: make_tokenizer(options.work, config),
        "train": lambda: train(options.work, config, options.steps, options.minutes, options.batch,
                               options.threads),
        "export": lambda: export(options.work),
    }
    for stage in [options.stage] if options.stage else stages:
        stages[stage]()


if __name__ == "__main__":
    main()
