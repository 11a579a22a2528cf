"""What scripts/bench_servers.sh runs: the model for both servers, the measurements in turn, the table.

    bench_servers.py BIN LLAMA_SERVER FOLDER MODEL ROUNDS TYPES CLIENTS

Both servers get as many slots as there are clients at most, each with the model's context, and all processors. Each is
started anew for every round, answers a few requests that do not count, and is then measured by scripts/serve_load.py.
"""

import itertools
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

NEW = int(os.environ.get("TOKENS", "64"))  # of a request
WORDS = 32  # of its prompt
SAMPLER = {"temperature": 1, "top_k": 40, "top_p": 1, "min_p": 0}
COLUMNS = {
    "requests_per_second": "REQUESTS/S",
    "tokens_per_second": "TOKENS/S",
    "first_p50": "FIRST P50",
    "first_p99": "FIRST P99",
    "next_p50": "NEXT P50",
    "next_p99": "NEXT P99",
}


def say(*words):
    print("bench_servers:", *words, file=sys.stderr, flush=True)


def byte_letters():
    """The letters that stand for the 256 bytes in vocab.json, as in GPT-2."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) for byte in shown] + [chr(256 + i) for i in range(len(hidden))]


def write_tokenizer(folder, vocabulary):
    """Tokens for a model with random weights: all bytes, then words of two, three and four letters, and the end of text."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens, merges = byte_letters(), []
    pairs = ["".join(pair) for pair in itertools.product(letters, letters)]
    words = [(a, b) for a, b in itertools.product(letters, letters)]
    words += [(pair, letter) for pair in pairs for letter in letters]
    words += itertools.product(pairs, pairs)
    for left, right in itertools.islice(words, vocabulary - 1 - len(tokens)):
        merges.append(f"{left} {right}")
        tokens.append(left + right)
    tokens.append("<|endoftext|>")
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "tokenizer_config.json").unlink(missing_ok=True)


def make(programs, folder, model, kind):
    """The model as a folder of Hugging Face's and as a GGUF file, both of one type."""
    ours, theirs = folder / kind, folder / f"{kind}.gguf"
    if not theirs.exists():
        say("making", model, "in", kind)
        convert = [programs / "gpt2convert", "--quiet", "--force"]
        subprocess.run([*convert, "--model", model, "--type", kind, "--out", ours], check=True)
        if model.startswith("synthetic:"):
            write_tokenizer(ours, json.loads((ours / "config.json").read_text())["vocab_size"])
        subprocess.run([*convert, "--model", ours, "--to", "gguf", "--type", kind, "--out", theirs], check=True)
    return ours, theirs


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Running:
    """A server that is ready, until the end of a with statement."""

    def __init__(self, command, port, log):
        self.command, self.port, self.log = command, port, log

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        end = time.monotonic() + 600
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                sys.exit(f"bench_servers: {self.command[0]} did not start: see {self.log}")
            time.sleep(0.2)
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self):
        return any(self.is_well(path) for path in ("healthz", "health"))  # that of gpt2serve, and that of llama.cpp

    def is_well(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def commands(programs, llama, files, kind, clients):
    """For each server its command without the port."""
    slots, threads = str(max(clients)), str(len(os.sched_getaffinity(0)))
    ours, theirs = files
    context = json.loads((ours / "config.json").read_text())["n_positions"]
    yield "gpt2serve", [programs / "gpt2serve", "--model", ours, "--precision", kind, "--batch", slots, "--threads", threads]
    yield "llama-server", [llama, "--model", theirs, "--parallel", slots, "--ctx-size", str(context * int(slots)),
                           "--threads", threads, "--host", "127.0.0.1"]  # fmt: skip


def load(url, clients, requests):
    script = pathlib.Path(__file__).resolve().parent / "serve_load.py"
    command = [sys.executable, "-B", script, url, "--clients", str(clients), "--requests", str(requests), "--json"]
    command += ["--tokens", str(NEW), "--words", str(WORDS), "--fields", json.dumps(SAMPLER)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def print_table(kind, samples):
    """samples: by server and number of clients, a list with one object for each round."""
    print(f"\n{kind}: medians (least..most), times in ms")
    print(f"{'SERVER':14}{'CLIENTS':>7}" + "".join(f"{name:>24}" for name in COLUMNS.values()))
    for (server, clients), rounds in samples.items():
        line = f"{server:14}{clients:7d}"
        for key in COLUMNS:
            values = [one[key] for one in rounds]
            line += f"{f'{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})':>24}"
        print(line)
    for clients in sorted({clients for _, clients in samples}):
        ours, theirs = (statistics.median(one["tokens_per_second"] for one in samples[server, clients])
                        for server in ("gpt2serve", "llama-server"))  # fmt: skip
        print(f"{clients} clients: gpt2serve has {ours / theirs:.2f} times the tokens per second")


def main():
    programs, llama, folder = map(pathlib.Path, sys.argv[1:4])
    model, rounds, kinds, clients = sys.argv[4], int(sys.argv[5]), sys.argv[6].split(), [int(one) for one in sys.argv[7].split()]
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        files, samples = make(programs, folder, model, kind), {}
        for number in range(rounds):
            say(f"{kind}: round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}")
            for server, command in commands(programs, llama, files, kind, clients):
                port = free_port()
                with Running([*command, "--port", str(port)], port, folder / f"{server}.log") as url:
                    load(url, max(clients), max(clients))
                    for count in clients:
                        samples.setdefault((server, count), []).append(load(url, count, max(16, 4 * count)))
        print_table(kind, samples)


if __name__ == "__main__":
    main()
