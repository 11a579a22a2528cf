"""What scripts/bench_peers.sh runs inside its Python: one model in every engine's layout, one measurement, the comparison.

    bench_peers.py make FOLDER                            FOLDER/model (Hugging Face) becomes the engines' own files
    bench_peers.py run ENGINE TYPE THREADS FOLDER         one measurement, a JSON line
    bench_peers.py compare FOLDER GPT2BENCH ROUNDS THREADS...   everything in turn, the table

Every measurement is a process of its own. It does its work twice and counts the second time: a prefill of 512 fixed
tokens with the logits of the last one, and 64 greedy tokens after 8. Weights are random, so speed is all that is compared.
In int8, ONNX Runtime and CTranslate2 quantise the inputs of products too, as cpu-int8 does; llama.cpp has Q8_0, and Q4_0 and
Q4_K_M in int4.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

PROMPT, SHORT, NEW = 512, 8, 64
LIMIT = float(os.environ.get("LIMIT", "300"))  # seconds that one measurement may take, or the engine is left out
TYPES = ("fp32", "bf16", "fp16", "int8", "int4")
ENGINES = {
    "transformers": ("torch", ("fp32", "bf16", "fp16")),
    "onnxruntime": ("onnxruntime", ("fp32", "int8")),
    "ctranslate2": ("ctranslate2", ("fp32", "int8")),
    "llama.cpp": ("llama_cpp", ("fp32", "bf16", "fp16", "int8", "int4")),
    "llama.cpp Q4_K_M": ("llama_cpp", ("int4",)),
}
QUANTISED = {"int8": "Q8_0", "int4": "Q4_0", "int4_k": "Q4_K_M"}  # llama.cpp's forms


def tokens(count, vocab):
    return [i * 7919 % vocab for i in range(count)]


def load(folder):
    from safetensors.numpy import load_file

    config = json.load(open(f"{folder}/model/config.json"))
    weights = load_file(f"{folder}/model/model.safetensors")
    return config, {name.removeprefix("transformer."): w for name, w in weights.items()}


def make_onnx(folder):
    """The graph by hand, with keys and values as inputs and outputs: no exporter is needed, and none is measured."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    config, w = load(folder)
    C, H, L = config["n_embd"], config["n_head"], config["n_layer"]
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(kind, inputs, count=1, **attributes):
        outputs = [f"{kind}_{len(nodes)}_{i}" for i in range(count)]
        nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0] if count == 1 else outputs

    def norm(x, name):
        parts = [constant(f"{name}.{p}", w[f"{name}.{p}"]) for p in ("weight", "bias")]
        return op("LayerNormalization", [x, *parts], epsilon=config["layer_norm_epsilon"])

    def linear(x, name):
        product = op("MatMul", [x, constant(name + ".weight", w[name + ".weight"])])
        return op("Add", [product, constant(name + ".bias", w[name + ".bias"])])

    def split(x):
        return op("Transpose", [op("Reshape", [x, "heads"])], perm=[0, 2, 1, 3])

    constant("heads", np.array([1, -1, H, C // H], np.int64))
    constant("flat", np.array([1, -1, C], np.int64))
    constant("scale", np.array((C // H) ** -0.5, np.float32))
    info = helper.make_tensor_value_info
    inputs = [info("ids", TensorProto.INT64, [1, "T"]), info("pos", TensorProto.INT64, [1, "T"])]
    inputs.append(info("mask", TensorProto.FLOAT, [1, 1, "T", "S"]))
    outputs = []
    token, position = (op("Gather", [constant(f"{n}.weight", w[f"{n}.weight"]), i]) for n, i in (("wte", "ids"), ("wpe", "pos")))
    x = op("Add", [token, position])
    for layer in range(L):
        b = f"h.{layer}."
        q, k, v = (split(part) for part in op("Split", [linear(norm(x, b + "ln_1"), b + "attn.c_attn")], 3, axis=2, num_outputs=3))
        for name, part in (("k", k), ("v", v)):
            inputs.append(info(f"past_{name}{layer}", TensorProto.FLOAT, [1, H, "P", C // H]))
            outputs.append(info(f"new_{name}{layer}", TensorProto.FLOAT, [1, H, "S", C // H]))
            nodes.append(helper.make_node("Concat", [f"past_{name}{layer}", part], [f"new_{name}{layer}"], axis=2))
        scores = op("MatMul", [op("Mul", [q, "scale"]), op("Transpose", [f"new_k{layer}"], perm=[0, 1, 3, 2])])
        mixed = op("MatMul", [op("Softmax", [op("Add", [scores, "mask"])], axis=-1), f"new_v{layer}"])
        a = op("Reshape", [op("Transpose", [mixed], perm=[0, 2, 1, 3]), "flat"])
        x = op("Add", [x, linear(a, b + "attn.c_proj")])
        h = op("Gelu", [linear(norm(x, b + "ln_2"), b + "mlp.c_fc")], approximate="tanh")
        x = op("Add", [x, linear(h, b + "mlp.c_proj")])
    last = norm(op("Gather", [x, constant("last", np.array([-1], np.int64))], axis=1), "ln_f")
    nodes.append(helper.make_node("MatMul", [last, constant("head", w["wte.weight"].T)], ["logits"]))
    outputs.insert(0, info("logits", TensorProto.FLOAT, [1, 1, config["vocab_size"]]))
    graph = helper.make_graph(nodes, "gpt2", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), f"{folder}/fp32.onnx")

    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(f"{folder}/fp32.onnx", f"{folder}/int8.onnx", op_types_to_quantize=["MatMul"], per_channel=True,
                     weight_type=QuantType.QInt8)


def make_gguf(folder):
    import gguf
    import numpy as np

    config, w = load(folder)
    names = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm"}
    names |= {"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    types = {"fp32": None, "fp16": gguf.GGMLQuantizationType.F16, "bf16": gguf.GGMLQuantizationType.BF16}
    for name, kind in types.items():
        file = gguf.GGUFWriter(f"{folder}/{name}.gguf", "gpt2")
        file.add_context_length(config["n_positions"])
        file.add_embedding_length(config["n_embd"])
        file.add_block_count(config["n_layer"])
        file.add_feed_forward_length(config.get("n_inner") or 4 * config["n_embd"])
        file.add_head_count(config["n_head"])
        file.add_layer_norm_eps(config["layer_norm_epsilon"])
        file.add_tokenizer_model("none")
        file.add_vocab_size(config["vocab_size"])

        def add(to, value):
            if kind is None or value.ndim == 1:
                return file.add_tensor(to, np.ascontiguousarray(value))
            return file.add_tensor(to, gguf.quants.quantize(np.ascontiguousarray(value), kind), raw_dtype=kind)

        add("token_embd.weight", w["wte.weight"])
        file.add_tensor("position_embd.weight", w["wpe.weight"])
        for part in ("weight", "bias"):
            add(f"output_norm.{part}", w[f"ln_f.{part}"])
            for layer in range(config["n_layer"]):
                for theirs, ours in names.items():
                    value = w[f"h.{layer}.{theirs}.{part}"]
                    add(f"blk.{layer}.{ours}.{part}", value.T if value.ndim == 2 else value)
        file.write_header_to_file()
        file.write_kv_data_to_file()
        file.write_tensors_to_file()
        file.close()

    import llama_cpp

    for name, form in QUANTISED.items():
        settings = llama_cpp.llama_model_quantize_default_params()
        settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{form}")
        if llama_cpp.llama_model_quantize(f"{folder}/fp32.gguf".encode(), f"{folder}/{name}.gguf".encode(), settings) != 0:
            raise RuntimeError(f"llama.cpp does not quantise to {form}")


def make_ctranslate2(folder):
    """Its converter wants a tokenizer: an artificial one, since only ids are used."""
    import ctranslate2

    config, _ = load(folder)
    json.dump({f"t{i}": i for i in range(config["vocab_size"])}, open(f"{folder}/model/vocab.json", "w"))
    open(f"{folder}/model/merges.txt", "w").write("#version: 0.2\n")
    json.dump({"tokenizer_class": "GPT2Tokenizer", "bos_token": "t0", "eos_token": "t0", "unk_token": "t0"},
              open(f"{folder}/model/tokenizer_config.json", "w"))
    ctranslate2.converters.TransformersConverter(f"{folder}/model").convert(f"{folder}/ct2", force=True)


def make(folder):
    made = {"onnxruntime": make_onnx, "llama.cpp": make_gguf, "ctranslate2": make_ctranslate2}
    for engine, function in made.items():
        if importlib.util.find_spec(ENGINES[engine][0]) is None:
            continue
        try:
            function(folder)
        except Exception as error:  # an engine that cannot read the model is skipped, with its reason
            print(f"bench_peers: {engine} cannot have this model: {error!r:.300}", file=sys.stderr)


def transformers_steps(kind, threads, folder):
    import torch
    from transformers import GPT2LMHeadModel

    torch.set_num_threads(threads)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[kind]
    model = GPT2LMHeadModel.from_pretrained(folder + "/model", dtype=dtype).eval()
    state = {}

    @torch.inference_mode()
    def step(ids, start):
        past = None if start else state["past"]
        out = model(torch.tensor([ids]), past_key_values=past, use_cache=True, logits_to_keep=1)
        state["past"] = out.past_key_values
        return int(out.logits[0, -1].argmax())

    return step


def onnxruntime_steps(kind, threads, folder):
    import numpy as np
    import onnxruntime

    config, _ = load(folder)
    C, H, L = config["n_embd"], config["n_head"], config["n_layer"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(f"{folder}/{kind}.onnx", options, providers=["CPUExecutionProvider"])
    names = [f"{part}{layer}" for layer in range(L) for part in "kv"]
    state = {}

    def step(ids, start):
        if start:
            empty = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((1, H, 0, C // H), np.float32))
            state.update(past=dict.fromkeys(names, empty), length=0)
        count, length = len(ids), state["length"]
        binding = session.io_binding()
        binding.bind_cpu_input("ids", np.array([ids], np.int64))
        binding.bind_cpu_input("pos", np.arange(length, length + count, dtype=np.int64)[None])
        binding.bind_cpu_input("mask", np.triu(np.full((count, length + count), -1e9, np.float32), length + 1)[None, None])
        for name in names:
            binding.bind_ortvalue_input("past_" + name, state["past"][name])
        for name in ["logits"] + ["new_" + name for name in names]:
            binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        out = binding.get_outputs()
        state.update(past=dict(zip(names, out[1:])), length=length + count)
        return int(out[0].numpy()[0, 0].argmax())

    return step


def llama_steps(kind, threads, folder):
    import llama_cpp
    import numpy as np

    model = llama_cpp.Llama(f"{folder}/{kind}.gguf", n_ctx=PROMPT + NEW, n_batch=PROMPT, n_ubatch=PROMPT,
                            n_threads=threads, n_threads_batch=threads, logits_all=False, verbose=False)
    vocab, state = model.n_vocab(), {}

    def step(ids, start):
        if start:
            model._ctx.kv_cache_clear()
            state["length"] = 0
        array = (llama_cpp.llama_token * len(ids))(*ids)  # the batch points into it
        batch = llama_cpp.llama_batch_get_one(array, len(ids))
        if llama_cpp.llama_decode(model.ctx, batch) != 0:
            raise RuntimeError("llama_decode failed")
        logits = llama_cpp.llama_get_logits_ith(model.ctx, -1)
        return int(np.ctypeslib.as_array(logits, (vocab,)).argmax())

    return step


def ctranslate2_rates(kind, threads, folder, vocab):
    import ctranslate2

    form = {"fp32": "float32", "int8": "int8"}[kind]
    generator = ctranslate2.Generator(folder + "/ct2", device="cpu", compute_type=form, inter_threads=1, intra_threads=threads)

    def seconds(count, new):
        begin = time.perf_counter()
        generator.generate_batch([[f"t{i}" for i in tokens(count, vocab)]], beam_size=1, sampling_topk=1, max_length=new,
                                 min_length=new, include_prompt_in_result=False)
        return time.perf_counter() - begin

    for _ in range(2):
        prefill = seconds(PROMPT, 1)
        decode = seconds(SHORT, NEW + 1) - seconds(SHORT, 1)
    return PROMPT / prefill, NEW / decode


def run(engine, kind, threads, folder):
    vocab = json.load(open(f"{folder}/model/config.json"))["vocab_size"]
    if engine == "ctranslate2":
        prefill, decode = ctranslate2_rates(kind, threads, folder, vocab)
    else:
        steps = {"transformers": transformers_steps, "onnxruntime": onnxruntime_steps, "llama.cpp": llama_steps}
        if engine == "llama.cpp Q4_K_M":
            engine, kind = "llama.cpp", "int4_k"
        step = steps[engine](kind, threads, folder)
        for _ in range(2):
            begin = time.perf_counter()
            step(tokens(PROMPT, vocab), True)
            prefill = PROMPT / (time.perf_counter() - begin)
            token = step(tokens(SHORT, vocab), True)
            begin = time.perf_counter()
            for _ in range(NEW):
                token = step([token], False)
            decode = NEW / (time.perf_counter() - begin)
    print(json.dumps({"prefill": prefill, "decode": decode}))


def ours(program, kind, threads, folder):
    """gpt2bench's own warm-up and one pass; every type of a round in a process of its own, as the peers."""
    command = [program, "--quiet", "--model", folder + "/model", "--precision", "cpu-" + kind, "--threads", str(threads)]
    command += ["--prompt_tokens", str(PROMPT), "--new_tokens", str(NEW), "--repetitions", "1", "--batch", "1", "--json", "-"]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr.strip())
    done = json.loads(ran.stdout)
    rows = {row["measure"]: row for row in done["results"]}
    return {"prefill": rows["prefill"]["median"], "decode": rows["decode"]["median"],
            "bandwidth": done["bandwidth"][0]["median"], "share": rows["decode"]["of_bandwidth"],
            "compute": done["compute"][0]["median"], "of_compute": rows["prefill"]["of_compute"]}


def measure(engine, program, kind, threads, folder):
    if engine == "gpt2run":
        return ours(program, kind, threads, folder)
    command = [sys.executable, os.path.abspath(__file__), "run", engine, kind, str(threads), folder]
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), HF_HUB_OFFLINE="1")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, errors="replace", timeout=LIMIT)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def shown(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f} - {max(values):.1f})"


def table(samples):
    lines = ["| type | threads | engine | prefill of 512, tokens/s | to the best peer | of the compute rate | decode, tokens/s | to the best peer | of the read bandwidth |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for kind in TYPES:
        for threads in sorted({key[2] for key in samples if key[1] == kind}):
            rows = {key[0]: value for key, value in samples.items() if key[1:] == (kind, threads)}
            for engine, found in rows.items():
                cells = []
                for what, limit in (("prefill", "of_compute"), ("decode", "share")):
                    median = statistics.median(one[what] for one in found)
                    peers = [statistics.median(one[what] for one in other) for name, other in rows.items() if name != "gpt2run"]
                    ratio = f"{median / max(peers):.2f}" if engine == "gpt2run" and peers else ""
                    shares = [one[limit] for one in found if limit in one]
                    cells += [shown([one[what] for one in found]), ratio, f"{statistics.median(shares):.2f}" if shares else ""]
                lines.append(f"| {kind} | {threads} | {engine} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def compare(folder, program, rounds, threads):
    installed = [name for name, (module, _) in ENGINES.items() if importlib.util.find_spec(module)]
    for name in ENGINES.keys() - set(installed):
        print(f"bench_peers: {name} is not installed: skipped", file=sys.stderr)
    jobs = [(engine, kind, count) for kind in TYPES for count in threads
            for engine in ["gpt2run", *installed] if engine == "gpt2run" or kind in ENGINES[engine][1]]
    samples, failed = {}, set()
    record = open(folder + "/samples.jsonl", "w")
    for number in range(rounds):
        print(f"bench_peers: round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
        for job in jobs:
            if job in failed:
                continue
            try:
                found = measure(job[0], program, *job[1:], folder)
                samples.setdefault(job, []).append(found)
                print(json.dumps([*job, found]), file=record, flush=True)
            except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
                failed.add(job)
                print(f"bench_peers: {' '.join(map(str, job))} is left out: {error}", file=sys.stderr)
    for count in threads:
        found = [one["bandwidth"] for job, all_of in samples.items() if job[2] == count for one in all_of if "bandwidth" in one]
        if found:
            print(f"read bandwidth, {count} threads: {shown(found)} GB/s")
        for kind in ("fp32", "bf16", "int8"):
            found = [one["compute"] for job, all_of in samples.items() if job[1:] == (kind, count) for one in all_of if "compute" in one]
            if found:
                print(f"compute rate for {kind}, {count} threads: {shown(found)} G operations/s")
    print(table(samples))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "make":
        make(*arguments)
    elif command == "run":
        run(arguments[0], arguments[1], int(arguments[2]), arguments[3])
    else:
        compare(arguments[0], arguments[1], int(arguments[2]), [int(count) for count in arguments[3:]])
