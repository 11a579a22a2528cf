"""Results of a study that never was, in the formats that gpt2compare, gpt2perplexity, gpt2bench and its sweep write:
made by formulas, the same every time.
"""

import json
import math
import random

PHASES = ("copy_to_device", "forward_pass", "copy_to_host", "sampling", "copy_next_token")
ERRORS = {"cpu-fp16": 2.0**-11, "cpu-bf16": 2.0**-8}
LAYERS, HEADROOM = 6, 65504


def timings(draw, precision, placement, length):
    """Passes of two prompts of 8 tokens whose times grow with the position."""
    speed = {"FP32": 2.0, "FP16": 1.3, "BF16": 1.1}[precision]
    copies = {"host": 0.12, "device": 0.0}[placement]
    times = {"model_initialization": [180 * speed]} | {phase: [] for phase in PHASES}
    for _ in range(2):
        for position in range(8, length):
            times["copy_to_device"].append(0.01 * (1 + draw.random()))
            times["forward_pass"].append(speed * (1 + position / 2000) * draw.lognormvariate(0, 0.05))
            times["copy_to_host"].append(copies * (1 + 0.2 * draw.random()))
            times["sampling"].append((0.08 if placement == "host" else 0.02) * (1 + draw.random()))
            times["copy_next_token"].append(copies / 20 * (1 + draw.random()))
    return times


def histogram(values):
    edges = [10 ** (-8 + i / 4) for i in range(30)]
    counts = [sum(low <= value < high for value in values) for low, high in zip(edges, edges[1:])]
    return {"edges": edges, "counts": counts, "below": sum(value < edges[0] for value in values), "above": 0}


def spread(values, position=0):
    ordered = sorted(values)
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (len(values) - 1))
    shares = (0.1, 1, 5, 50, 95, 99, 99.9)
    return {
        "mean": mean, "standard_error": std / math.sqrt(len(values)), "median": ordered[len(ordered) // 2],
        "percentiles": {f"{share:g}": ordered[int(share / 100 * (len(ordered) - 1))] for share in shares},
        "max": {"value": ordered[-1], "position": position, "text": "The old <king> & his \"son\""},
    }  # fmt: skip


def ranges_of(values, lengths, key):
    size = len(values) // lengths
    return [
        {"from": key * i, "to": key * (i + 1) - (key > 1), "kl_ref_test": math.fsum(values[i * size : (i + 1) * size]) / size, "count": size}
        for i in range(lengths)
    ]


def test_of(draw, name):
    error = ERRORS[name]
    kl = [error * error * draw.lognormvariate(1, 1.4) for _ in range(2048)]
    metrics = {"kl_ref_test": spread(kl), "kl_test_ref": spread([x * 1.02 for x in kl]), "js": spread([x / 4 for x in kl])}
    metrics["tvd"] = spread([math.sqrt(x / 2) * 0.7 for x in kl])
    metrics["logit_mse"] = spread([30 * x for x in kl])
    metrics["logit_mse_aligned"] = spread([20 * x for x in kl])
    metrics["cosine"] = spread([1 - x for x in kl])
    metrics["cosine"]["max"]["value"] = "-inf"
    metrics["logprob_difference"] = spread([draw.gauss(0, math.sqrt(x)) for x in kl])
    metrics["top1_agreement"] = {"mean": 1 - error, "standard_error": math.sqrt(error / 2048)}
    metrics["topk_overlap"] = spread([1 - min(1, math.sqrt(x)) for x in kl])
    flips = [
        {"position": draw.randrange(512), "text": f"tale {i}", "margin": draw.expovariate(1 / (20 * error)), "ref_token": i, "test_token": i + 1}
        for i in range(int(8000 * error))
    ]
    layers, ranges = [], []
    for layer in range(LAYERS):
        for i, op in enumerate(("norm_qkv", "attention", "project_add", "norm_up_gelu", "down_add")):
            layers.append({"op": op, "layer": layer, "rms_error": error * (1 + i / 3) * 1.3**layer, "max_error": error * 9 * 1.3**layer})
            largest = 3.0 * (1 + i) * 1.5**layer
            ranges.append({"op": op, "layer": layer, "max": largest, "headroom": HEADROOM / largest, "subnormal_share": 0.001 * i})
    ranges.append({"op": "norm_logits", "layer": -1, "max": 99.0, "headroom": HEADROOM / 99, "subnormal_share": 0.0})
    layers.insert(0, {"op": "embed", "layer": -1, "rms_error": error / 4, "max_error": error})
    layers.append({"op": "norm_logits", "layer": -1, "rms_error": error * 6, "max_error": error * 30})
    return {
        "name": name, "metrics": metrics, "floor": {"kl_ref_test": 1e-11, "js": 3e-12, "cosine": 1e-10, "tvd": 1e-6, "logprob_difference": 1e-4},
        "flips": flips, "by_position": ranges_of(kl, 16, 64), "by_entropy": ranges_of(kl[::-1], 8, 1),
        "histogram": {"kl_ref_test": histogram(kl)}, "layers": layers, "ranges": ranges,
    }  # fmt: skip


def compare(draw):
    manifest = {"gpt2run": {"version": "0.1.0"}, "model": {"path": "demo"}, "note": "<script>not run</script>"}
    tests = [test_of(draw, name) for name in ERRORS]
    return {"reference": "cpu-fp32", "texts": 4, "tokens": 2048, "manifest": manifest, "tests": tests}


def formats(draw):
    """Bytes and divergence by bits; the first test has no bytes and no changes."""
    tests = []
    for i, (name, bits, cost) in enumerate((("reference:w=int8:exact=layer0", None, 1e-4), ("reference:w=int8:head=int8", 8, 2e-4), ("reference:kv=int4", 32, 3e-2),
                                            ("reference:w=int4:group=32", 5, 4e-2), ("reference:w=nf4:<b>", 4.5, 3e-2), ("reference:w=fp16", 16, 1e-6))):  # fmt: skip
        changed = [0, 12, 90, 130, 110, 3][i]
        better = changed // 3
        metrics = {"kl_ref_test": {"mean": cost, "batch_standard_error": cost / 10}, "top1_agreement": {"mean": 1 - changed / 1000, "batch_standard_error": None}}
        metrics["logprob_difference"] = {"mean": -cost / 2, "batch_standard_error": draw.random() / 100}
        interval, share = ([0.2, 0.45], better / changed) if changed else ([None, None], None)
        direction = {"changed": changed, "better": better, "worse": changed - better, "share_better": share, "interval": interval}
        tests.append({"name": name, "metrics": metrics, "direction": direction, "step_bytes": bits and int(bits * 432000), "floor": {"kl_ref_test": 1e-12}})
    return {"reference": "cpu-fp32", "reference_step_bytes": 13824000, "tokens": 1000, "tests": tests, "manifest": {"model": {"path": "demo"}}}


def patching():
    tokens = ["The", " old", " $king", " <was>"]
    maps = []
    for op, layers in (("embed", [-1]), ("down_add", list(range(LAYERS)))):
        effects = [[math.sin(layer + 2 * position) for position in range(len(tokens))] for layer in layers]
        effects[0][0] = None
        maps.append({"op": op, "layers": layers, "positions": list(range(len(tokens))), "texts": tokens, "effects": effects})
    answers = [{"token": 5, "text": " queen"}, {"token": 7, "text": " king"}]
    sweep = {"patch": "op=embed+down_add,from=The <old>", "answers": answers, "clean": 2.5, "corrupted": -1.5, "maps": maps}
    return {"precision": "cpu-fp32", "patches": ["op=embed,positions=1,noise=1"], "sweep": sweep, "manifest": {"gpt2run": "0.2.0"}}


def islands():
    parts = [{"division": division, "part": part, "kl_ref_test": 0.03 * (1 - restored), "restored": restored}
             for division, part, restored in (("values", "weights", 0.97), ("detail", "layer1.down_add", 0.6), ("layer", "layer1", 0.7), ("operation", "embed", -0.01))]  # fmt: skip
    return {"islands": {"test": "reference:w=int4", "kl_ref_test": 0.03, "parts": parts}}


def perplexity():
    rows = (("cpu-fp32", 31.482, 0.61), ("cpu-fp16", 31.484, 0.61), ("cpu-bf16", 31.541, 0.62))
    results = [{"precision": p, "perplexity": value, "standard_error": error, "tokens": 30000, "bits_per_byte": math.log2(value) / 4,
                "difference": None if p == "cpu-fp32" else {"nll": math.log(value / 31.482), "standard_error": 2e-4}} for p, value, error in rows]  # fmt: skip
    return {"protocol": "hf-stride", "results": results, "manifest": {"model": {"path": "demo"}}}


def bench(draw):
    rows = []
    for p, (precision, speed) in enumerate((("fp32", 80), ("fp16", 130), ("bf16", 158))):
        for threads in (1, 2):
            for measure, factor in (("prefill", 12), ("decode", 1), ("decode_long", 0.9), ("decode_batch", 4)):
                samples = sorted(speed * factor * threads**0.8 * draw.lognormvariate(0, 0.04) for _ in range(5))
                rows.append({"precision": precision, "plugin": f"cpu-{precision}", "threads": threads, "measure": measure, "unit": "tokens/s", "median": samples[2],
                             "least": samples[0], "greatest": samples[4], "samples": samples, "weight_bytes_per_token": None, "of_bandwidth": 0.9 - 0.1 * p if measure == "decode" else None})  # fmt: skip
    return {"machine": "a processor", "processors": 2, "model": "synthetic:124M", "results": rows}


def write(folder):
    draw = random.Random(7)
    (folder / "timings").mkdir(parents=True)
    for precision in ("FP32", "FP16", "BF16"):
        for placement in ("host", "device"):
            for length in (64, 128, 256):
                path = folder / "timings" / f"timings_{placement}_{precision}_{length}.json"
                path.write_text(json.dumps(timings(draw, precision, placement, length)), encoding="utf-8")
    contents = {"compare": compare(draw), "perplexity": perplexity(), "bench": bench(draw), "formats": formats(draw), "islands": islands(), "patching": patching()}
    contents["adder"] = {"sums": 10000, "right": {"cpu-fp32": 10000, "reference:w=int4:group=32": 9997}}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    import pathlib
    import sys

    write(pathlib.Path(sys.argv[1]))
