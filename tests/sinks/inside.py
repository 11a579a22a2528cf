"""sinks.inside BUILD_FOLDER: what the sinks lens and attention write of the demo model is read by the readers of
docs/formats.md, and agrees with what the other sinks write.
"""

import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
FORMATS = (pathlib.Path(__file__).resolve().parents[2] / "docs/formats.md").read_text(encoding="utf-8")
PROMPTS = ("Once upon a time", "The old king said:\n'</script>")
NEW, LAYERS, HEADS = 3, 6, 3


def readers():
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", FORMATS, re.MULTILINE | re.DOTALL):
        exec(block, names)  # pylint: disable=exec-used
    return names


def run(folder, *options):
    command = [BUILD / "bin/gpt2run", "-q", "--sampler", "argmax", "--precision", "cpu-fp32", "-n", str(NEW), *options]
    for prompt in PROMPTS:
        command += ["--prompt", prompt]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout.decode()


def check_lens(folder, names, tales):
    """After the last layer the lens says what the model says, as the sink jsonl tells it."""
    lines = [json.loads(line) for line in (folder / "lens.jsonl").read_text(encoding="utf-8").splitlines()]
    read = [tale["prompt_tokens"] + tale["tokens"][:-1] for tale in tales]
    assert [line["token"]["id"] for line in lines] == sum(read, [])
    found = names["read_lens"](folder / "lens.jsonl")
    assert list(found) == [(sequence, at) for sequence, ids in enumerate(read) for at in range(len(ids))]
    assert all(len(shares) == LAYERS + 1 and all(0 < share <= 1 for share in shares) for shares in found.values())
    for line in lines:
        tale, last = tales[line["sequence"]], line["layers"][-1]
        assert [layer["after"] for layer in line["layers"]] == ["embed", *(f"h.{i}" for i in range(LAYERS))]
        assert last["final_rank"] == 1 and last["top"][0]["id"] == line["final"]["id"]
        at = line["position"] + 1 - len(tale["prompt_tokens"])
        top = tale["top"][at] if at >= 0 else tale["prompt_top"][line["position"] + 1]
        if top is None:
            continue
        assert [one["id"] for one in top] == [one["id"] for one in last["top"]], line
        for one, other in zip(top, last["top"]):
            # Sums of 4096 terms in two orders.
            assert abs(one["logprob"] - other["logprob"]) < 1e-4, (one, other)


def check_attention(folder, names, tales):
    found = names["read_attention"](folder / "attention")
    assert sorted(found) == [(sequence, layer) for sequence in range(len(PROMPTS)) for layer in range(LAYERS)]
    for (sequence, _), heads in found.items():
        tokens = len(tales[sequence]["prompt_tokens"]) + NEW - 1
        assert len(heads) == HEADS and all(len(head) == tokens for head in heads)
        for head in heads:
            for at, row in enumerate(head):
                assert abs(math.fsum(row) - 1) < 1e-5 and min(row) >= 0 and not any(row[at + 1 :]), (sequence, at)


def check_table(folder):
    table = run(folder, "--sink", "lens:positions=last")
    assert table.count("sequence ") == len(PROMPTS) and "final" in table and "h.5" in table, table
    assert max(map(len, table.splitlines())) <= 100, table


names = readers()
with tempfile.TemporaryDirectory() as work:
    place = pathlib.Path(work)
    sinks = "lens:format=jsonl:out=lens.jsonl,lens:format=html:out=lens.html,attention,jsonl:out=tales.jsonl:top=5:echo=on"
    run(place, "--sink", sinks)
    all_tales = names["read_jsonl"](place / "tales.jsonl")
    check_lens(place, names, all_tales)
    check_attention(place, names, all_tales)
    check_table(place)
    for batch in ("1", "2"):
        text = (place / "lens.jsonl").read_bytes()
        run(place, "--sink", "lens:format=jsonl:out=lens.jsonl", "--batch", batch)
        assert (place / "lens.jsonl").read_bytes() == text, "the batch decides nothing"
