"""serve.completions BUILD_FOLDER: the answers of POST /v1/completions, and that gpt2run gives the same texts."""

from server import Server, expect, run_tests

PRINTED = "--precision", "fp32,bf16"


def test_the_documented_answer(build):
    with Server(build, *PRINTED) as server:
        answer = server.complete(model="bf16", prompt="Once upon a time", max_tokens=8, temperature=0, seed=1, command=True)
        expect(answer["object"] == "text_completion" and answer["model"] == "bf16", "a completion, found", answer)
        (choice,) = answer["choices"]
        expect(choice["finish_reason"] == choice["gpt2run_reason"] == "length", "the reason length, found", choice)
        expect(choice["logprobs"] is None, "no log-probabilities, found", choice)
        usage = answer["usage"]
        expect((usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (4, 8, 12), usage)
        expect(answer["gpt2run_seed"] == 1, "the seed, found", answer)
        line = (
            "gpt2run --precision bf16 --sampler nucleus:temp=0:top_k=0:top_p=1:min_p=0 --seed 1 "
            "--max-new-tokens 8 --echo off --prompt 'Once upon a time'"
        )
        expect(answer["gpt2run_command"] == line, line, "found", answer["gpt2run_command"])
        expect(server.run_line(line).decode() == choice["text"] + "\n", "gpt2run's text, found", choice)


def same_text(server, **fields):
    """Completes, runs gpt2run's line for it, and expects the same texts. Returns the answer."""
    answer = server.complete(command=True, **fields)
    printed = server.run_line(answer["gpt2run_command"]).decode()
    texts = [choice["text"] for choice in answer["choices"]]
    expected = texts[0] + "\n" + "".join(f"--- sequence {i}\n{text}\n" for i, text in enumerate(texts) if i > 0)
    expect(printed == expected, "gpt2run's text", repr(printed), "found", repr(expected), answer["gpt2run_command"])
    return answer


def test_gpt2run_gives_the_same_text(build):
    with Server(build, *PRINTED) as server:
        defaults = same_text(server, prompt="The old king", seed=3)
        expect(defaults["usage"]["completion_tokens"] == 16, "16 tokens, found", defaults["usage"])
        same_text(server, prompt="The old king", max_tokens=20)  # with a drawn seed
        two = same_text(server, prompt=["The king", "A little girl"], n=2, max_tokens=10, seed=11, model="bf16")
        expect([choice["index"] for choice in two["choices"]] == [0, 1, 2, 3], "four choices, found", two["choices"])
        same_text(server, prompt=[307, 512, 88], max_tokens=9, seed=18446744073709551615, top_k=40, top_p=0.9, min_p=0.01)
        same_text(server, prompt="it's -n 5 'quoted' \\ $HOME\n", max_tokens=9, seed=4, temperature=0.7)
        same_text(server, prompt="", max_tokens=9, seed=5)
        same_text(server, prompt=["-", "x"], max_tokens=9, seed=6)
        chain = "repetition-penalty:penalty=1.3:last_n=20,top-k:top_k=50,nucleus:top_p=0.95"
        same_text(server, prompt="The wolf", max_tokens=12, seed=7, sampler=chain)
        same_text(server, prompt="The wolf", max_tokens=12, seed=8, sampler="mirostat", temperature=0.9)
        same_text(server, prompt="The wolf", max_tokens=12, seed=8, sampler="min-tokens:min_tokens=5,argmax")
        same_text(server, prompt="The wolf", max_tokens=20, seed=9, logit_bias={"307": 5, "512": -100, "13": 1.5},
                  presence_penalty=0.5, frequency_penalty=-0.25)  # fmt: skip
        same_text(server, prompt="The wolf", max_tokens=12, seed=10, echo=True)
        same_text(server, prompt="The wolf", max_tokens=12, seed=10, ignore_eos=True)
        stopped = same_text(server, prompt="Once upon a time", max_tokens=60, seed=2, stop=["\n", " the", "\\n"])
        choice = stopped["choices"][0]
        expect(choice["gpt2run_reason"] != "stop" or choice["finish_reason"] == "stop", "OpenAI's reason, found", choice)


def test_ends(build):
    with Server(build, "--context", "32") as server:
        text = server.complete(prompt="Once upon a time", max_tokens=20, temperature=0)["choices"][0]["text"]
        stop = text.split()[3]
        choice = server.complete(prompt="Once upon a time", max_tokens=20, temperature=0, stop=stop)["choices"][0]
        expect(choice["finish_reason"] == choice["gpt2run_reason"] == "stop", "a stop, found", choice)
        expect(choice["text"] == text[: text.index(stop)], "the text before", stop, "found", choice)
        choice = server.complete(prompt="Once upon a time", max_tokens=500, temperature=0)["choices"][0]
        expect((choice["finish_reason"], choice["gpt2run_reason"]) == ("length", "context"), "a full context", choice)
        end = server.get("/v1/models/fp32")[2]["end_of_text"]
        ended = server.complete(prompt="The king", max_tokens=9, logit_bias={str(end): 100}, seed=1)["choices"][0]
        expect((ended["finish_reason"], ended["gpt2run_reason"]) == ("stop", "end_of_text"), "the end of text", ended)
        start = server.get("/v1/models/fp32")[2]["start_of_text"]
        texts = [server.complete(prompt=one, max_tokens=5, temperature=0)["choices"][0]["text"] for one in ("", [start])]
        expect(texts[0] == texts[1], "the token of an empty prompt, found", start, texts)
        none = server.complete(prompt="The king", max_tokens=0, echo=True)
        expect(none["choices"][0]["text"] == "The king", "the prompt alone, found", none)
        error = server.refused("/v1/completions", {"prompt": [1] * 33}, "prompt", "32", "33")
        expect(error["code"] == "context_length_exceeded", "the code of a long prompt, found", error)


def joined(frames):
    """The texts of a stream's choices by index, and the frames that end them."""
    texts, ends = {}, {}
    for frame in frames:
        for choice in frame["choices"]:
            expect(choice["index"] not in ends, "no frame after the last one of a choice, found", frame)
            texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
            if choice["finish_reason"]:
                ends[choice["index"]] = choice
    return texts, ends


def test_streams(build):
    with Server(build, *PRINTED) as server:
        fields = {"prompt": ["The old king", "A wolf"], "n": 2, "max_tokens": 24, "seed": 5, "stop": [" the"]}
        whole = server.complete(**fields)
        texts, ends = joined(server.stream(**fields))
        expect(texts == {one["index"]: one["text"] for one in whole["choices"]}, whole["choices"], "found", texts)
        for choice in whole["choices"]:
            found = ends[choice["index"]]
            expect(found["finish_reason"] == choice["finish_reason"], choice, "found", found)
            expect(found["gpt2run_timings"]["first_token_ms"] > 0, "a time, found", found)
        frames = list(server.stream(**fields, stream_options={"include_usage": True}))
        expect(frames[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"], whole["usage"], frames[-1])
        expect(frames[-1]["choices"] == [] and all(one["usage"] is None for one in frames[:-1]), "usage at the end")
        first, *others = server.stream(prompt="A wolf", max_tokens=3, seed=1, echo=True, command=True)
        expect(first["choices"][0]["text"].startswith("A wolf"), "the prompt first, found", first)
        expect("gpt2run_command" in first and not any("gpt2run_command" in one for one in others), "one command")


def test_logprobs(build):
    with Server(build, *PRINTED) as server:
        fields = {"prompt": "The old king", "max_tokens": 6, "seed": 5, "logprobs": 3, "echo": True}
        found = server.complete(**fields)["choices"][0]
        lists = found["logprobs"]
        size = len(lists["tokens"])
        expect(size == 9 and "".join(lists["tokens"]) == found["text"], "a token for each part of the text", found)
        for name in ("token_logprobs", "top_logprobs", "text_offset", "token_ids", "top_ids"):
            expect(len(lists[name]) == size, size, "elements of", name, "found", lists)
        expect(lists["token_logprobs"][0] is None and lists["top_logprobs"][0] is None, "nothing for the first", lists)
        for i in range(1, size):
            own, top = lists["token_logprobs"][i], lists["top_logprobs"][i]
            expect(own < 0 and top[lists["tokens"][i]] == own, "the token's own number", own, "in", top)
            expect(3 <= len(top) <= 4 and lists["token_ids"][i] in lists["top_ids"][i], "three or four", lists)
            expect(found["text"][lists["text_offset"][i] :].startswith(lists["tokens"][i]), "the offset", lists)
        # The same as gpt2run's own, whatever the sampler makes of the logits.
        line = "gpt2run --prompt 'The old king' -n 6 --seed 5 --sampler nucleus:top_k=0:top_p=1 --sink jsonl:top=3:echo=on"
        import json

        expected = json.loads(server.run_line(line))
        ours = [expected["prompt_logprobs"] + expected["logprobs"], expected["prompt_tokens"] + expected["tokens"]]
        expect(ours == [lists["token_logprobs"], lists["token_ids"]], ours, "found", lists)
        scored = server.complete(prompt="The old king", max_tokens=0, echo=True, logprobs=0)["choices"][0]["logprobs"]
        expect(scored["token_logprobs"] == lists["token_logprobs"][:3], lists["token_logprobs"][:3], "found", scored)
        pieces = [frame["choices"][0] for frame in server.stream(**fields)]
        ids = [one for piece in pieces for one in (piece["logprobs"] or {"token_ids": []})["token_ids"]]
        expect(ids == lists["token_ids"] and "".join(piece["text"] for piece in pieces) == found["text"], lists, pieces)
        biased = server.complete(**fields, logit_bias={"512": 3})["choices"][0]["logprobs"]
        expect(biased["token_logprobs"][:3] == lists["token_logprobs"][:3], "raw logits", biased)


def test_cached_tokens(build):
    with Server(build) as server:
        prompt = "Once upon a time there was a king who had three daughters and"
        first = server.complete(prompt=prompt, max_tokens=4, temperature=0)
        again = server.complete(prompt=prompt + " a", max_tokens=4, temperature=0)
        count = first["usage"]["prompt_tokens"]
        expect(first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0, "nothing cached, found", first["usage"])
        expect(again["usage"]["prompt_tokens_details"]["cached_tokens"] >= count, count, "cached", again["usage"])


run_tests([test_the_documented_answer, test_gpt2run_gives_the_same_text, test_ends, test_streams, test_logprobs, test_cached_tokens])
