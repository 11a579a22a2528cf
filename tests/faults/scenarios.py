"""What faults.py runs: programs with results in a folder, each in a few milliseconds."""

import dataclasses
import http.client
import json
import pathlib
import re
import signal
import subprocess
import threading

# The groups of calls, in the order of inject.cpp.
GROUPS = ("memory", "open", "read", "write", "close", "rename", "sync", "map", "look", "folder", "make", "thread")
PATIENCE = 60  # seconds for a run that takes some milliseconds
STDOUT = "standard output"


@dataclasses.dataclass
class Outcome:
    code: int  # negative: of which signal it died
    hung: bool
    errors: str  # standard error
    files: dict  # name: content; standard output is one of them


def plain(content):
    return content


def without_numbers(content):
    """Results that hold times: what is left when each number is a 0, and each space one blank. The name of the processor
    goes too, which is unknown where the system does not give it."""
    content = re.sub(rb'("machine":|^machine ) *("[^"]*"|[^,]*)', rb"\1", content, flags=re.MULTILINE)
    return re.sub(rb"[ -]+", b" ", re.sub(rb"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", b"0", content))


class Scenario:
    """A command. `old` are files that are there before; `timed` are names of results that hold times."""

    may_refuse = False  # whether standard output may be empty though the exit code is 0

    def __init__(self, name, command, old=None, timed=()):
        self.name = name
        self.program = pathlib.Path(command[0]).name
        self.command = [str(word) for word in command]
        self.old = old or {}
        self.timed = timed
        self.right = None  # the Outcome of a run without a fault
        self.counts = {}

    def run(self, folder, environment):
        with subprocess.Popen(
            self.command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            timer = threading.Timer(PATIENCE, process.kill)
            timer.start()
            printed, errors = self.follow(process)
            process.wait()
            hung = not timer.is_alive()
            timer.cancel()
        files = {STDOUT: printed}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                files[path.relative_to(folder).as_posix()] = path.read_bytes()
            elif ".tmp" in path.name:
                files[path.relative_to(folder).as_posix()] = b""
        for name in files:
            if name in self.timed:
                files[name] = without_numbers(files[name])
        return Outcome(process.returncode, hung, errors.decode(errors="replace"), files)

    def follow(self, process):
        """Standard output and standard error of a process, until it ends."""
        return process.communicate()


class ServerScenario(Scenario):
    """gpt2serve, one request, and SIGTERM. An answer, which stands for standard output, is right or an error."""

    may_refuse = True

    def follow(self, process):
        errors = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
        reader.start()
        line = process.stdout.readline().decode().strip()
        answer = self.answer_of(line) if line.startswith("http://") else b""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.stdout.read()
        reader.join()
        return answer, errors[0]

    def answer_of(self, address):
        host, _, port = address.removeprefix("http://").rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
        body = json.dumps({"prompt": "The king", "max_tokens": 3, "seed": 1})
        try:
            connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            content = reply.read()
            return json.loads(content)["choices"][0]["text"].encode() if reply.status == 200 else b""
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            connection.close()


def made(build, folder):
    """The inputs: a small model, texts, the record of a run, and logits of two precisions."""
    demo = pathlib.Path(build).resolve() / "share/gpt2run/models/demo"
    model = folder / "model"
    shape = "synthetic:L=1,C=32,H=2,F=128,V=4096,T=64,end_of_text=4095"
    program = build / "bin/gpt2convert"
    done = subprocess.run(
        [program, "--model", shape, "--out", model, "--tokenizer", demo], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"expected a model, found {done.stderr}")
    (folder / "text").write_text("The old king had three daughters, and the youngest was so fair that the sun wondered.\n")
    (folder / "prompts").write_text("The old king\nOnce upon a time\n")
    record = [build / "bin/gpt2run", "-q", "--model", model, "--prompt", "The king", "-n", "3", "--threads", "1"]
    subprocess.run([*record, "--manifest", folder / "recorded.json"], capture_output=True, check=True)
    for precision in ("fp32", "bf16"):
        logits = f"logits:dir={folder / precision}:format=npy"
        subprocess.run([*record, "--precision", precision, "--sampler", "argmax", "--sink", logits], capture_output=True, check=True)
    return model


def all_of(build, folder):
    """Scenarios by name."""
    build = pathlib.Path(build).resolve()
    model, bin_ = made(build, folder), build / "bin"
    old = b"the old content\n"
    sinks = "text:out=out/text,tokens:out=out/tokens,jsonl:out=out/jsonl,logits:dir=out/logits,timings:out=out/timings"
    prompts = ["--prompt", "The king", "--prompt", "Once upon a time there was"]
    few = ["--max-new-tokens", "3", "--threads", "1"]
    convert = [bin_ / "gpt2convert", "--model", model]
    scenarios = [
        Scenario(
            "run",
            [bin_ / "gpt2run", "--model", model, *prompts, *few, "--sink", sinks, "--manifest", "out/run.json"],
            {"out/jsonl": old, "out/run.json": old},
            ["out/timings"],
        ),
        Scenario("print", [bin_ / "gpt2run", "--model", model, *prompts, *few]),
        Scenario("repeat", [bin_ / "gpt2run", "--config", folder / "recorded.json", "--sink", "jsonl", "--manifest", "out/run.json"]),
        Scenario("convert-huggingface", [*convert, "--out", "out/new"]),
        Scenario("convert-int8", [*convert, "--out", "out/new", "--type", "int8"]),
        Scenario("convert-llmc", [*convert, "--to", "llmc", "--out", "out/new/model.bin"]),
        Scenario("convert-gguf", [*convert, "--to", "gguf", "--out", "out/new.gguf", "--force"], {"out/new.gguf": old}),
        Scenario("convert-packed", [*convert, "--packed", "cpu-fp16", "--out", "out/packed"]),
        Scenario(
            "perplexity",
            [bin_ / "gpt2perplexity", "--model", model, "--text", folder / "text", "--precision", "fp32,bf16", "--threads", "1", "--json", "out/found.json"],
            {"out/found.json": old},
        ),
        Scenario(
            "compare",
            [bin_ / "gpt2compare", "--model", model, "--prompt", "The king", "-n", "2", "--test", "bf16", "--threads", "1", "--json", "out/found.json"],
        ),
        Scenario("compare-folders", [bin_ / "gpt2compare", "--ref-folder", folder / "fp32", "--test-folder", folder / "bf16", "--json", "out/found.json"]),
        Scenario(
            "bench",
            [bin_ / "gpt2bench", "--model", model, "--precision", "fp32", "--threads", "1", "--prompt-tokens", "8", "--new-tokens", "2", "--batch", "2",
             "--repetitions", "1", "--read-mb", "1", "--json", "out/found.json"],
            timed=[STDOUT, "out/found.json"],
        ),
        Scenario("pack", [bin_ / "gpt2tokenize", "pack", "--in", folder / "prompts", "--t", "4", "--truncate-prompt", "--out", "out/prompts.bin"]),
        Scenario("encode", [bin_ / "gpt2tokenize", "encode", "--tokenizer", model, "The old king"]),
        ServerScenario("serve", [bin_ / "gpt2serve", "--model", model, "--port", "0", "--threads", "1", "--batch", "2"]),
    ]  # fmt: skip
    return {scenario.name: scenario for scenario in scenarios}
