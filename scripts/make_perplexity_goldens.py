#!/usr/bin/env python3
"""make_perplexity_goldens.py MODEL TEXT OUT: what transformers holds of a text, protocol by protocol, in float64.

MODEL is a folder in Hugging Face's layout, TEXT a file. Every protocol is written down here as its origin does it, a
forward pass at a time, and shares no windows with gpt2perplexity. Needs torch and transformers.
tests/golden/evaluation/perplexity.json is that of models/demo and tests/golden/evaluation/text.txt.
"""

import json
import math
import pathlib
import sys

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2LMHeadModel


def tokenizer_of(folder):
    """Byte-level BPE as GPT-2's, without special tokens in the text."""
    bpe = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return lambda text: tokenizer.encode(text).ids


def bytes_of(folder):
    """The number of bytes of every token: each letter of its spelling stands for one."""
    return {token: len(spelling) for spelling, token in json.loads((folder / "vocab.json").read_text()).items()}


class Judge:
    def __init__(self, folder):
        self.model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
        self.context = self.model.config.n_positions

    def nll(self, tokens, first):
        """Of tokens[first:], each after all that stand before it."""
        with torch.no_grad():
            logits = self.model(torch.tensor([tokens])).logits[0]
        scores = torch.log_softmax(logits, -1)
        return [-scores[i - 1, tokens[i]].item() for i in range(first, len(tokens))]

    def guide(self, tokens, max_length, stride):
        """Sum of losses and number of targets by the loop of the guide "Perplexity of fixed-length models". The loss is
        a mean over the labels that are not -100, the first of a window excepted: that many times it is their sum.
        """
        total, count, scored = 0.0, 0, 0
        for begin in range(0, len(tokens), stride):
            end = min(begin + max_length, len(tokens))
            window = torch.tensor([tokens[begin:end]])
            labels = window.clone()
            labels[:, : end - begin - (end - scored)] = -100
            targets = (labels[:, 1:] != -100).sum().item()
            if targets > 0:
                with torch.no_grad():
                    total += self.model(window, labels=labels).loss.item() * targets
            count += targets
            scored = end
            if end == len(tokens):
                break
        return total, count


def hf_stride(judge, tokens, max_length, stride):
    """[(token, nll)] of the guide's targets."""
    found, scored = [], 1
    for begin in range(0, len(tokens), stride):
        window = tokens[begin : begin + max_length]
        first = max(scored - begin, 1)
        if first < len(window):
            found += zip(window[first:], judge.nll(window, first))
        scored = begin + len(window)
        if scored == len(tokens):
            break
    return found


def llama(judge, tokens, n_ctx):
    """As llama-perplexity without a token of begin: logits from n_ctx / 2 on are looked at, whole windows only."""
    found = []
    for chunk in range(len(tokens) // n_ctx):
        window = tokens[chunk * n_ctx : (chunk + 1) * n_ctx]
        first = n_ctx // 2 + 1
        found += zip(window[first:], judge.nll(window, first))
    return found


def original(judge, prompts):
    """One forward pass for every prefix."""
    found = []
    for tokens in prompts:
        for t in range(1, len(tokens)):
            found += zip([tokens[t]], judge.nll(tokens[: t + 1], t))
    return found


def document(judge, prompts, end_of_text, max_length, stride):
    return [one for tokens in prompts for one in hf_stride(judge, [end_of_text, *tokens], max_length, stride)]


def result(source, options, found, sizes):
    nll = [value for _, value in found]
    mean = math.fsum(nll) / len(nll)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in nll) / (len(nll) - 1) / len(nll))
    return {
        "options": f"{source} {options}",
        "tokens": len(nll),
        "nll": mean,
        "nll_standard_error": error,
        "perplexity": math.exp(mean),
        "standard_error": math.exp(mean) * error,
        "bits_per_byte": math.fsum(nll) / math.log(2) / sum(sizes[token] for token, _ in found),
    }


def main():
    torch.set_num_threads(1)
    folder, text, out = map(pathlib.Path, sys.argv[1:])
    judge, encode, sizes = Judge(folder), tokenizer_of(folder), bytes_of(folder)
    content = text.read_text(encoding="utf-8")
    tokens, prompts = encode(content), [encode(line) for line in content.splitlines()]
    end_of_text = json.loads((folder / "config.json").read_text())["eos_token_id"]
    results = []
    for max_length, stride in ((judge.context, judge.context // 2), (64, 24), (40, 40), (16, 1)):
        found = hf_stride(judge, tokens, max_length, stride)
        total, count = judge.guide(tokens, max_length, stride)
        # transformers takes the loss of logits rounded to float32
        assert count == len(found) and abs(total - sum(value for _, value in found)) < 1e-6 * total
        options = f"--protocol hf-stride --max_length {max_length} --stride {stride}"
        results.append(result("--text", options, found, sizes))
    for n_ctx in (64, 33):
        options = f"--protocol llama --max_length {n_ctx}"
        results.append(result("--text", options, llama(judge, tokens, n_ctx), sizes))
    results.append(result("--prompts", "--protocol original", original(judge, prompts), sizes))
    for max_length, stride in ((judge.context, judge.context // 2), (32, 20)):
        options = f"--protocol document --max_length {max_length} --stride {stride}"
        results.append(result("--prompts", options, document(judge, prompts, end_of_text, max_length, stride), sizes))
    out.write_text(json.dumps({"tokens": len(tokens), "results": results}, indent=1) + "\n")


main()
