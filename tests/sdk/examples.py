"""examples.py PREFIX PLUGINS FAKES: the plugins of docs/examples, built into PLUGINS, run by the gpt2run installed in
PREFIX; FAKES holds the precision `fake`, a device whose memory the host cannot read. Part of sdk.outside.
"""

import array
import json
import math
import pathlib
import struct
import subprocess
import sys

PREFIX, PLUGINS, FAKES = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
DEMO = PREFIX / "share/gpt2run/models/demo"
HERE = pathlib.Path.cwd() / "results"


def run(*options, code=0):
    command = [PREFIX / "bin/gpt2run", "--quiet", "--plugin-dir", PLUGINS, "--plugin-dir", FAKES, *options]
    done = subprocess.run(list(map(str, command)), cwd=HERE, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != code:
        sys.exit(f"{command}\nended with {done.returncode}, expected {code}: {done.stderr}")
    return done.stdout if code == 0 else done.stderr


def expect(condition, *found):
    if not condition:
        raise AssertionError(*found)


def steps(folder, count, *options):
    """What the sink logits wrote for the only sequence of a run."""
    run("--sink", f"logits:dir={folder}", "--prompt", "Once upon a time", "-n", count, *options)
    (file,) = (HERE / folder).iterdir()
    return json.loads(file.read_text())


def first_logits(folder, precision):
    return steps(folder, 1, "--sampler", "argmax", "--precision", precision)[0]["logits"]


def rms(a, b):
    expect(len(a) == len(b) and all(map(math.isfinite, a + b)), "logits are not finite")
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)) / len(a))


def check_precision():
    exact, e4m3 = first_logits("fp32", "reference:type=fp32"), first_logits("e4m3", "my-e4m3")
    expect(e4m3 == first_logits("again", "my-e4m3"), "two runs of my-e4m3 differ")
    # A fraction of 3 bits against 7: steps 16 times as wide. Errors scatter: a quarter and four times that are allowed.
    bf16, error = rms(exact, first_logits("bf16", "reference:type=bf16")), rms(exact, e4m3)
    expect(4 * bf16 < error < 64 * bf16, "RMS of e4m3", error, "of bf16", bf16)


def runs_of_three(folder, sampler):
    ids = [step["token"] for step in steps(folder, 60, "--sampler", sampler)]
    return list(zip(ids, ids[1:], ids[2:]))


def check_sampler():
    greedy, changed = runs_of_three("greedy", "argmax"), runs_of_three("no_repeat", "no-repeat,argmax")
    expect(len(set(greedy)) < len(greedy), "the greedy text should repeat itself, or this shows nothing")
    expect(len(set(changed)) == len(changed) and len(changed) >= 50, "a run came twice", changed)
    pairs = [step["token"] for step in steps("two", 30, "--sampler", "no-repeat:size=2,argmax")]
    expect(len(set(zip(pairs, pairs[1:]))) == len(pairs) - 1, "a pair came twice", pairs)


def check_chain_in_batches():
    """A sampler from outside in a chain, behind every precision: the tokens of a batch are those of single runs."""
    chain = ["--sampler", "repetition-penalty,no-repeat,nucleus", "--temp", "1.5", "-n", 10, "--sink", "text"]
    for words in ("A", "The king", "In the deep forest there", "She", "One day a", "Then", "Once", "The old wolf said", "He", "And"):
        chain += ["--prompt", words]
    for precision in ("reference", "cpu-fp32", "cpu-bf16", "cpu-fp16", "my-e4m3", "fake"):
        single, batched = (run(*chain, "--precision", precision, "--batch", size) for size in (1, 8))
        expect(single.count("--- sequence") == 9, "ten sequences expected", single)
        expect(single == batched, precision, "batch of 1:", single, "batch of 8:", batched)


def check_sink():
    nats = [-step["logprob"] for step in steps("for_sink", 6, "--seed", 3)]
    mean = sum(nats) / len(nats)
    common = ["--prompt", "Once upon a time", "-n", 6, "--seed", 3]
    words = run(*common, "--sink", "surprise").split()
    expect(words[:2] == ["sequence", "0:"] and words[3:] == "bits per token over 6 tokens, ended by length".split(), words)
    # Six digits are printed.
    expect(math.isclose(float(words[2]), mean / math.log(2), rel_tol=1e-5), words, mean)
    expect(run(*common, "--sink", "surprise:unit=nats:out=file.txt,text").startswith("Once upon a time"))
    words = (HERE / "file.txt").read_text().split()
    expect(math.isclose(float(words[2]), mean, rel_tol=1e-5) and words[3] == "nats", words, mean)
    run(*common, "--tokens", "4096", "--sink", "surprise:out=never.txt", code=2)
    expect(not list(HERE.glob("*never*")), "a failed run left a file")


def demo_weights():
    """name -> (shape, values) of the demo model."""
    data = (DEMO / "model.safetensors").read_bytes()
    begin = 8 + struct.unpack_from("<Q", data)[0]
    tensors = {}
    for name, entry in json.loads(data[8:begin]).items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        values = array.array("f", data[begin + first : begin + last])
        tensors[name.removeprefix("transformer.")] = (entry["shape"], values)
    return tensors


def turned(shape, values):
    return array.array("f", [values[i] for column in range(shape[1]) for i in range(column, len(values), shape[1])])


def write_flat(path):
    config, tensors = json.loads((DEMO / "config.json").read_text()), demo_weights()
    layers, width = config["n_layer"], config["n_embd"]
    sizes = (layers, config["n_head"], width, 4 * width, config["vocab_size"], config["n_positions"], config["eos_token_id"])
    line = "flat " + " ".join(map(str, sizes)) + f" {config['layer_norm_epsilon']}\n"
    parts = [tensors["wte.weight"][1], tensors["wpe.weight"][1]]
    for module in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"):
        for kind in ("weight", "bias"):
            for layer in range(layers):
                shape, values = tensors[f"h.{layer}.{module}.{kind}"]
                parts.append(turned(shape, values) if len(shape) == 2 else values)  # stored as (in, out)
    parts += [tensors["ln_f.weight"][1], tensors["ln_f.bias"][1]]
    path.write_bytes(line.encode() + b"".join(part.tobytes() for part in parts))


def check_loader():
    flat = HERE / "demo.flat"
    write_flat(flat)
    common = ["--prompt", "Once upon a time", "-n", 20, "--sampler", "argmax"]
    expect(run(*common, "--model", flat, "--tokenizer", DEMO) == run(*common), "the same weights tell another tale")
    run("--model", flat, "--tokens", "1,2,3", "-n", 2)
    whole = flat.read_bytes()
    for name, content, words in (
        ("cut", whole[:-1], "bytes behind the first line, found"),
        ("long", whole + b"0000", "bytes behind the first line, found"),
        ("empty", b"flat \n", "eight numbers"),
        ("endless", b"flat " + b"1 " * 300, "eight numbers"),
        ("negative", b"flat 1 1 -4 4 4 4 -1 1e-5\n", "found -4"),
        ("heads", b"flat 1 3 4 4 4 4 -1 1e-5\n", "a multiple of H"),
        ("huge", b"flat 524288 1 524288 524288 524288 524288 -1 1e-5\n", "bytes behind the first line, found 0"),
    ):
        broken = HERE / f"{name}.flat"
        broken.write_bytes(content)
        message = run("--model", broken, "--tokens", "1", code=1)
        expect(words in message and name in message and message.count("\n") == 1, name, message)


HERE.mkdir()
for check in (check_precision, check_sampler, check_chain_in_batches, check_sink, check_loader):
    check()
