"""python.generate: texts are continued as gpt2run continues them, token for token."""

import support
from support import DEMO, continued, main

import gpt2run

PROMPTS = ["The old king", "Once upon a time", "In a village"]
OPTIONS = [
    ({}, []),
    ({"seed": 7, "top_p": 0.9}, ["--seed", 7, "--top-p", 0.9]),
    ({"sampler": "argmax"}, ["--sampler", "argmax"]),
    ({"sampler": "repetition-penalty:penalty=1.2,nucleus", "temperature": 0.7, "seed": 2**64 - 1},
     ["--sampler", "repetition-penalty:penalty=1.2,nucleus", "--temp", 0.7, "--seed", 2**64 - 1]),
    ({"sampler": "top-k,min-p", "top_k": 40, "min_p": 0.05}, ["--sampler", "top-k,min-p", "--top-k", 40, "--min-p", 0.05]),
    ({"sampler": "mirostat", "tau": 3}, ["--sampler", "mirostat:tau=3"]),
]  # fmt: skip


class Generate(support.Test):
    @classmethod
    def setUpClass(cls):
        cls.model = gpt2run.load(DEMO)

    def test_equal_to_gpt2run_in_every_precision(self):
        for precision in ("fp32", "bf16", "fp16", "cpu-int8"):
            with gpt2run.load(DEMO, precision=precision) as model:
                for options, arguments in OPTIONS:
                    with self.subTest(precision=precision, options=options):
                        (expected,) = continued("--prompt", PROMPTS[0], "--precision", precision, "-n", 12, *arguments)
                        found = model.generate(PROMPTS[0], max_new_tokens=12, details=True, **options)
                        self.check_sequence(found, expected)
                        for ours, theirs in zip(found.logprobs.tolist(), expected["logprobs"], strict=True):
                            self.assertAlmostEqual(ours, theirs, delta=1e-6 * abs(theirs) + 1e-7)
                        text = model.generate(PROMPTS[0], max_new_tokens=12, **options)
                        self.assertEqual(text, expected["text"])

    def test_defaults_are_those_of_gpt2run(self):
        (expected,) = continued()
        self.check_sequence(self.model.generate(details=True), expected)
        with gpt2run.load() as model:
            self.assertEqual(model.precision, "cpu-fp32")
            self.assertEqual(model.generate(), expected["text"])

    def test_lists_and_samples_in_any_batch(self):
        arguments = [word for prompt in PROMPTS for word in ("--prompt", prompt)]
        expected = continued(*arguments, "--samples", 2, "-n", 12)
        for batch in (1, 4):
            with gpt2run.load(DEMO, batch=batch) as model:
                found = model.generate(PROMPTS, samples=2, max_new_tokens=12, details=True)
                self.assertEqual(len(found), 6)
                for one, other in zip(found, expected, strict=True):
                    self.check_sequence(one, other)
        self.assertEqual(self.model.generate(PROMPTS[0], samples=2, max_new_tokens=12), [one["text"] for one in expected[:2]])
        self.assertEqual(self.model.generate([PROMPTS[0]], max_new_tokens=12), [expected[0]["text"]])
        self.assertEqual(self.model.generate([]), [])

    def test_token_ids(self):
        import numpy as np

        ids = self.model.tokenizer.encode(PROMPTS[1])
        text = self.model.generate(PROMPTS[1], max_new_tokens=9)
        for given in (ids, tuple(ids), np.array(ids), np.array(ids, dtype=np.uint16)):
            self.assertEqual(self.model.generate(given, max_new_tokens=9), text)
        both = self.model.generate(np.array([ids, ids[::-1]]), max_new_tokens=9, sampler="argmax")
        self.assertEqual(both[0], self.model.generate(ids, max_new_tokens=9, sampler="argmax"))
        self.assertEqual(both[1], self.model.generate(ids[::-1], max_new_tokens=9, sampler="argmax"))

    def test_ends(self):
        (expected,) = continued("--prompt", PROMPTS[0], "--stop", " king", "--stop", "princess", "-n", 200)
        found = self.model.generate(PROMPTS[0], stop=[" king", "princess"], max_new_tokens=200, details=True)
        self.check_sequence(found, expected)
        self.assertEqual(found.finish_reason, "stop")
        ids = [(7 * i) % 4000 for i in range(1015)]
        tokens = ",".join(map(str, ids))
        (expected,) = continued("--tokens", tokens, "-n", 50, "--ignore-eos")
        found = self.model.generate(ids, max_new_tokens=50, ignore_eos=True, details=True)
        self.check_sequence(found, expected)
        self.assertEqual(found.finish_reason, "context")
        (expected,) = continued("--tokens", tokens, "-n", 50, "--ignore-eos", "--context-shift", 16)
        found = self.model.generate(ids, max_new_tokens=50, ignore_eos=True, context_shift=16, details=True)
        self.check_sequence(found, expected)
        self.assertEqual(found.finish_reason, "length")

    def test_stream(self):
        whole = self.model.generate(PROMPTS[0], max_new_tokens=30, seed=3)
        pieces = list(self.model.stream(PROMPTS[0], max_new_tokens=30, seed=3))
        self.assertEqual("".join(pieces), whole)
        self.assertGreater(len(pieces), 10)
        with self.model.stream(PROMPTS[0], max_new_tokens=30, seed=3) as stream:
            first = next(stream)
        self.assertEqual(first, pieces[0])
        self.assertEqual(list(stream), [])
        for piece in self.model.stream(PROMPTS[0]):
            break  # the stream is let go with the loop
        self.assertEqual(self.model.generate(PROMPTS[0], max_new_tokens=30, seed=3), whole)

    def test_random_seed(self):
        texts = {self.model.generate(PROMPTS[0], seed=None, max_new_tokens=30) for _ in range(4)}
        self.assertGreater(len(texts), 1)

    def test_tokenizer(self):
        tokenizer = self.model.tokenizer
        for text in ("Once upon a time", "", " ä\u20ac\U0001f600\n\t<|endoftext|> x", "\x00\x7f"):
            ids = tokenizer.encode(text)
            self.assertEqual(tokenizer.decode(ids), text)
            if text:
                shown = support.run("gpt2tokenize", "encode", text.replace("\x00", "x"), "--tokenizer", DEMO)
                self.assertEqual(tokenizer.encode(text.replace("\x00", "x")), [int(word) for word in shown.split()])
        self.assertEqual(tokenizer.encode(b"\xff\xfe a"), tokenizer.encode(b"\xff\xfe a"))
        self.assertEqual(tokenizer.decode_bytes(tokenizer.encode(b"\xff\xfe a")), b"\xff\xfe a")
        self.assertEqual(tokenizer.decode(tokenizer.encode(b"\xff")), "\ufffd")
        self.assertEqual(len(tokenizer), 4096)
        self.assertEqual(tokenizer.encode("<|endoftext|>"), [tokenizer.end_of_text])
        self.assertGreater(len(tokenizer.encode("<|endoftext|>", special=False)), 1)
        self.assertEqual(b"".join(map(tokenizer.piece, tokenizer.encode("the king"))), b"the king")

    def test_results_can_be_compared(self):
        one, other = self.model.generate([PROMPTS[0]] * 2, max_new_tokens=3, sampler="argmax", details=True)
        lens = self.model.lens(PROMPTS[0])
        self.assertEqual((one.text, one == one, one == other, one != other), (other.text, True, False, True))
        self.assertEqual((lens == lens, lens == self.model.lens(PROMPTS[0])), (True, False))
        self.assertEqual(len({one, other, one, lens, lens}), 3)

    def test_facts(self):
        model = self.model
        self.assertEqual((model.config["layers"], model.config["heads"], model.config["channels"]), (6, 3, 192))
        self.assertEqual((model.batch, model.context, model.path), (1, 1024, str(DEMO)))
        self.assertTrue(model.traits["batch"] and model.traits["prefill"])
        self.assertIn("cpu-fp32", repr(model))
        kinds = {(plugin["kind"], plugin["name"]) for plugin in gpt2run.plugins()}
        listed = {tuple(line.split()[:2]) for line in support.run("gpt2plugins", "list").splitlines()}
        self.assertTrue({("loader", "huggingface"), ("precision", "reference"), ("sampler", "nucleus")} <= kinds)
        self.assertTrue(all(plugin["refusal"] or plugin["summary"] for plugin in gpt2run.plugins()))
        self.assertTrue(listed)


if __name__ == "__main__":
    main()
