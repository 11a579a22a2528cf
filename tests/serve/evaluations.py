"""serve.evaluations BUILD_FOLDER: tokens, scores, distributions, comparisons and layers, beside what the other programs
say of the same text."""

import json
import math

from server import Server, expect, run_tests, wait_until

TEXT = "Once upon a time there was a king who had three daughters, and the youngest of them was fair."
PRECISIONS = "--precision", "fp32,bf16,fp16"


def is_near(a, b, most=1e-6):
    return a is not None and abs(a - b) <= most * max(1, abs(a), abs(b))


def test_tokens(build):
    with Server(build) as server:
        answer = server.post("/v1/tokenize", {"input": TEXT + " \u00e9<|endoftext|>"})
        expect(server.run_line(f"gpt2run -n 1 --sink null --prompt '{TEXT}'") == b"", "gpt2run takes the text")
        back = server.post("/v1/detokenize", {"token_ids": answer["token_ids"]})
        expect(back == {"text": TEXT + " \u00e9<|endoftext|>"}, "the text again, found", back)
        expect(len(answer["tokens"]) == len(answer["token_ids"]), "a text for each id, found", answer)
        plain = server.post("/v1/tokenize", {"input": "<|endoftext|>", "special": False})
        expect(len(plain["token_ids"]) > 1, "ordinary text, found", plain)
        server.refused("/v1/tokenize", {}, "input", "a text")
        server.refused("/v1/detokenize", {"token_ids": [4096]}, "token_ids", "4096")
        server.refused("/v1/detokenize", {"token_ids": "x"}, "token_ids", "list")


def test_score(build):
    with Server(build, *PRECISIONS) as server:
        answer = server.post("/v1/score", {"input": TEXT, "model": "bf16", "top": 3})
        line = f"gpt2perplexity --protocol original --precision bf16 --prompt '{TEXT}' --json -"
        (expected,) = json.loads(server.run_line(line))["results"]
        expect(answer["targets"] == expected["tokens"], expected, "found", answer)
        expect(is_near(answer["perplexity"], expected["perplexity"]), expected, "found", answer["perplexity"])
        expect(answer["logprobs"][0] is None and answer["top"][0] is None, "nothing for the first token, found", answer)
        size = len(answer["token_ids"])
        expect(len(answer["tokens"]) == len(answer["logprobs"]) == len(answer["top"]) == size, "lists of a size", answer)
        for top, logprob, token in list(zip(answer["top"], answer["logprobs"], answer["token_ids"]))[1:]:
            expect(len(top) == 3 and top[0]["logprob"] >= top[1]["logprob"], "the most likely first, found", top)
            own = [one["logprob"] for one in top if one["id"] == token]
            expect(not own or is_near(own[0], logprob), "one number for one token, found", top, logprob)
        server.refused("/v1/score", {"input": [5]}, "input", "2")
        server.refused("/v1/score", {"input": [1] * 1025}, "input", "1024", "1025")
        server.refused("/v1/score", {"input": 7}, "input", "a text")
        server.refused("/v1/score", {}, "input", "a text")


def kept_ids(answer):
    return {one["id"] for one in answer["models"][0]["tokens"] if one["cut_by"] is None}


def test_distribution(build):
    with Server(build, *PRECISIONS) as server:
        whole = server.post("/v1/distribution", {"models": ["fp32", "bf16"], "input": TEXT, "top": 50, "ids": [0, 307]})
        for model in whole["models"]:
            expect(model["kept"] <= 4096 and is_near(model["kept_probability"], 1), "everything kept, found", model)
            for one in model["tokens"]:
                expect(is_near(math.exp(one["logprob"]), one["probability"]), "a probability, found", one)
                expect(is_near(one["probability"], one["chance"]), "no temperature and no cut, found", one)
            expect({0, 307} <= {one["id"] for one in model["tokens"]}, "the tokens that were asked for, found", model)
        scored = server.post("/v1/score", {"input": TEXT, "top": 1})
        prefix = server.post("/v1/distribution", {"input": scored["token_ids"][:-1], "ids": scored["token_ids"][-1:]})
        (last,) = [one for one in prefix["models"][0]["tokens"] if one["id"] == scored["token_ids"][-1]]
        expect(is_near(last["logprob"], scored["logprobs"][-1]), "the score of the last token, found", last, scored)

        # What the sampler keeps is what it draws.
        for options in ({"top_k": 4}, {"top_p": 0.4}, {"min_p": 0.3}, {"temperature": 0.3, "top_k": 20, "top_p": 0.9, "min_p": 0.05}):
            view = server.post("/v1/distribution", {"input": TEXT, "top": 200, **options})
            kept = kept_ids(view)
            model = view["models"][0]
            expect(len(kept) == model["kept"] and 0 < len(kept) < 200, "a few, found", model["kept"], options)
            chances = [one["chance"] for one in model["tokens"]]
            expect(is_near(sum(chances), 1), "chances that sum to 1, found", sum(chances))
            drawn = server.complete(prompt=TEXT, max_tokens=1, n=128, seed=1, logprobs=0, **options)
            ids = {choice["logprobs"]["token_ids"][0] for choice in drawn["choices"]}
            expect(ids <= kept, "only kept tokens, found", ids - kept, options)
            likely = {one["id"] for one in model["tokens"] if one["chance"] > 0.15}
            expect(likely <= ids, "all that are likely, missing", likely - ids)
        coldest = server.post("/v1/distribution", {"input": TEXT, "temperature": 0})["models"][0]
        expect([one["cut_by"] for one in coldest["tokens"][:2]] == [None, "temperature"], "one token, found", coldest)
        server.refused("/v1/distribution", {"models": ["fp7"], "input": "x"}, "models", "fp32", status=404)
        server.refused("/v1/distribution", {"models": ["fp32"], "model": "bf16", "input": "x"}, "models", "both")
        server.refused("/v1/distribution", {"input": ""}, "input", "1")
        server.refused("/v1/distribution", {"input": "x", "ids": [5000]}, "ids", "4096")


def test_compare(build):
    with Server(build, *PRECISIONS, "--floor") as server:
        answer = server.post("/v1/compare", {"reference": "fp32", "tests": ["bf16", "fp16"], "input": TEXT, "command": True})
        expected = json.loads(server.run_line(answer["gpt2run_command"] + " --json - --floor off --layers 0"))
        size = len(answer["token_ids"])
        expect(answer["targets"] == size - 1 == expected["tokens"], size - 1, "targets, found", expected["tokens"])
        for ours, theirs in zip(answer["tests"], expected["tests"]):
            for metric, mean in ours["mean"].items():
                expect(is_near(mean, theirs["metrics"][metric]["mean"], 1e-12), metric, theirs["metrics"][metric], "found", mean)
            for name in ("kl_ref_test", "js", "tvd", "top1_agreement", "margin", "logprobs", "top"):
                expect(len(ours[name]) == size and ours[name][0] is None, size, "elements of", name, "found", ours[name])
            mean = sum(ours["kl_ref_test"][1:]) / (size - 1)
            expect(is_near(mean, ours["mean"]["kl_ref_test"]) and mean > 0, "a mean of the list, found", mean)
            floor = ours["floor"]
            expect(0 < floor["kl_ref_test"] < 10 * mean and "reference" in floor["against"], "a floor, found", floor)
        expect(len(answer["reference"]["top"][1]) == 5, "five alternatives, found", answer["reference"]["top"][1])
        alone = server.post("/v1/score", {"input": TEXT, "model": "bf16"})
        expect(alone["logprobs"] == answer["tests"][0]["logprobs"], "the score's numbers", alone, answer["tests"][0])
        again = server.post("/v1/compare", {"tests": ["bf16"], "input": answer["token_ids"], "top": 0})
        expect(again["tests"][0]["mean"] == answer["tests"][0]["mean"], "the same of the ids, found", again["tests"][0]["mean"])
        for body, param, word in (
            ({"tests": [], "input": TEXT}, "tests", "1 to"),
            ({"tests": ["fp32"], "input": TEXT}, "tests", "again"),
            ({"tests": ["bf16", "cpu-bf16"], "input": TEXT}, "tests", "again"),
            ({"tests": ["bf16"], "input": [1] * 513}, "input", "512"),
            ({"tests": ["bf16"], "input": TEXT, "overlap": 0}, "overlap", "[1, "),
        ):
            server.refused("/v1/compare", body, param, word)


def test_floors(build):
    precisions = "cpu-bf16,cpu-bf16:isa=portable,reference:type=bf16"
    with Server(build, "--precision", precisions, "--floor", "--batch", "2", quiet=False) as server:
        first, second, reference = server.get("/v1/models")[2]["data"]
        expect(first["contract"] == second["contract"], "one contract, found", first, second)
        floors = [one["has_floor"] for one in (first, second, reference)]
        expect(floors == [True, True, False], "no floor of `reference`, found", floors)
        samples = [line for line in server.get("/metrics")[2].splitlines() if not line.startswith("#")]
        names = [line.rpartition(" ")[0] for line in samples]
        expect(len(names) == len(set(names)), "each series once, found", sorted(names))
        slots = [line for line in names if line.startswith("gpt2serve_slots{model=\"floor of ")]
        expect(len(slots) == 1, "one floor, found", slots)
        log = server.messages()
        expect("measured against itself" in log and "1 slots x 512 tokens" in log, "messages of floors, found", log)
        found = server.get("/v1/models/cpu-bf16%3Aisa%3Dportable")
        expect(found[0] == 200 and found[2]["id"] == second["id"], "a name with escapes, found", found)


def test_layers(build):
    with Server(build, *PRECISIONS) as server:
        answer = server.post("/v1/layers", {"reference": "fp32", "tests": ["bf16", "fp16"], "input": TEXT, "rows": 12})
        line = f"gpt2compare --ref fp32 --test bf16,fp16 --prompt '{TEXT}' --max-new-tokens 0 --layers 12 --floor off --json -"
        expected = json.loads(server.run_line(line))
        expect(answer["rows"] == 12, "12 rows, found", answer["rows"])
        for ours, theirs in zip(answer["tests"], expected["tests"]):
            expect(is_near(ours["threshold"], theirs["layer_threshold"]), theirs["layer_threshold"], "found", ours["threshold"])
            expect(len(ours["errors"]) == len(theirs["layers"]) > 20, "all operations, found", len(ours["errors"]))
            for one, other in zip(ours["errors"], theirs["layers"]):
                expect((one["op"], one["layer"]) == (other["op"], other["layer"]), other, "found", one)
                expect(is_near(one["rms_error"], other["rms_error"], 1e-9), other, "found", one)
        expect([one["op"] for one in answer["reference"]["ranges"]][0] == "embed", "embed first, found", answer["reference"])


def test_metrics(build):
    with Server(build) as server:
        server.complete(prompt=TEXT, max_tokens=5, temperature=0)
        server.get("/nothing")
        # An answer leaves within its last step, which is counted at its end.
        wait_until(lambda: server.metric("gpt2serve_running", model="fp32") == 0, "the end of the last step")
        text = server.get("/metrics")[2]
        for line in text.splitlines():
            expect(line.startswith("# ") or len(line.rpartition(" ")[0]) > 0, "a sample, found", line)
        expect(server.metric("gpt2serve_new_tokens_total", model="fp32") == 5, "five tokens, found", text)
        expect(server.metric("gpt2serve_requests_total", route="/v1/completions", code="200") == 1, "a request, found", text)
        expect(server.metric("gpt2serve_requests_total", route="other", code="404") == 1, "a wrong one, found", text)
        expect(server.metric("gpt2serve_first_token_seconds_count") == 1, "a time, found", text)
        expect(server.metric("gpt2serve_token_seconds_count") == 4, "four times, found", text)
        try:
            from prometheus_client.parser import text_string_to_metric_families
        except ImportError:
            return
        names = {family.name for family in text_string_to_metric_families(text)}
        expect("gpt2serve_requests" in names and "gpt2serve_token_seconds" in names, "families, found", names)


run_tests([test_tokens, test_score, test_distribution, test_compare, test_floors, test_layers, test_metrics])
