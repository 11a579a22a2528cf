"""python.scores: logits, log-probabilities and perplexity are those of the programs and of transformers."""

import json
import math
import pickle

import support
from support import DEMO, ROOT, STUDY, main

import gpt2run
import numpy as np

GOLDEN = ROOT / "tests/golden/models"
TEXT = "Once upon a time there was a king who had three daughters."


class Scores(support.Test):
    @classmethod
    def setUpClass(cls):
        cls.model = gpt2run.load(DEMO)
        cls.ids = cls.model.tokenizer.encode(TEXT)

    def test_logits_have_a_row_for_each_token(self):
        logits = self.model.logits(self.ids)
        self.assertEqual((logits.shape, logits.dtype), ((len(self.ids), 4096), np.float32))
        self.assertTrue(np.isfinite(logits).all())
        np.testing.assert_array_equal(self.model.logits(TEXT), logits)
        for count in (1, 2, len(self.ids) - 1):  # what comes later changes nothing, bit for bit
            np.testing.assert_array_equal(self.model.logits(self.ids[:count]), logits[:count])
        logits[:] = 0  # it is the caller's
        self.assertTrue(self.model.logits(self.ids).any())

    def test_logits_of_a_whole_context(self):
        ids = [(7 * i) % 4096 for i in range(1024)]
        logits = self.model.logits(ids)
        np.testing.assert_array_equal(self.model.logits(ids[:700]), logits[:700])

    def test_logits_are_those_of_transformers(self):
        compared = 0
        for name in ("plain", "separate-head", "bf16-sharded", "f16", "gelu-erf-by-layer", "relu", "silu", "tanh"):
            golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
            with gpt2run.load(GOLDEN / name) as model:
                logits = model.logits(golden["tokens"])
                for row in golden["rows"]:
                    ids = row.get("ids", range(len(row["logits"])))
                    np.testing.assert_allclose(logits[row["position"]][list(ids)], row["logits"], rtol=0, atol=1e-4)
                    compared += 1
        self.assertGreater(compared, 20)
        golden = json.loads((GOLDEN / "demo.json").read_text(encoding="utf-8"))
        last = max(row["position"] for row in golden["rows"])
        logits = self.model.logits((golden["tokens"] + golden["greedy"])[: last + 1])
        for row in golden["rows"]:
            np.testing.assert_allclose(logits[row["position"]][row["ids"]], row["logits"], rtol=0, atol=1e-4)

    def test_logprobs_belong_to_the_logits(self):
        logits = self.model.logits(self.ids).astype(np.float64)
        logprobs = self.model.logprobs(TEXT)
        self.assertEqual((logprobs.shape, logprobs.dtype), ((len(self.ids) - 1,), np.float32))
        total = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
        expected = logits[np.arange(len(self.ids) - 1), self.ids[1:]] - total[:-1]
        np.testing.assert_allclose(logprobs, expected, rtol=1e-6)
        self.assertEqual(self.model.logprobs(self.ids[:1]).shape, (0,))

    def test_logprobs_are_those_of_gpt2run(self):
        (expected,) = support.continued("--prompt", TEXT, "-n", 1, "--echo")
        theirs = np.array(expected["prompt_logprobs"][1:], dtype=np.float32)
        np.testing.assert_allclose(self.model.logprobs(TEXT), theirs, rtol=1e-6)

    def test_perplexity_is_that_of_gpt2perplexity(self):
        text = STUDY.read_text(encoding="utf-8")
        paragraphs = [part for part in text.split("\n\n") if part.strip()]
        cases = [
            (text, "hf-stride", {}, ["--text", STUDY]),
            (text, "hf-stride", {"max_length": 64, "stride": 24}, ["--text", STUDY, "--max-length", 64, "--stride", 24]),
            (text, "llama", {"max_length": 100}, ["--text", STUDY, "--max-length", 100]),
            (paragraphs, "document", {}, [word for one in paragraphs for word in ("--prompt", one)]),
            (paragraphs[0], "original", {}, ["--prompt", paragraphs[0]]),
        ]
        for given, protocol, options, arguments in cases:
            with self.subTest(protocol=protocol, options=options):
                shown = support.run("gpt2perplexity", "--model", DEMO, "--precision", "fp32", "--protocol", protocol, *arguments, "--json", "-", "-q")
                (expected,) = json.loads(shown)["results"]
                found = self.model.perplexity(given, protocol, **options)
                self.assertIsInstance(found, float)
                self.assertEqual(found.tokens, expected["tokens"])
                for key in ("nll", "standard_error", "batch_standard_error", "bits_per_byte"):
                    self.assertTrue(math.isclose(getattr(found, key), expected[key], rel_tol=1e-12), key)
                self.assertTrue(math.isclose(found, expected["perplexity"], rel_tol=1e-12))
                again = pickle.loads(pickle.dumps(found))
                self.assertEqual((again, again.tokens, again.bits_per_byte), (found, found.tokens, found.bits_per_byte))


if __name__ == "__main__":
    main()
