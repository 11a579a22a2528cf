"""python.errors: what is wrong becomes an exception with gpt2run's text, and the model can be used afterwards."""

import pathlib
import tempfile

import support
from support import DEMO, main

import gpt2run
import numpy as np


class Errors(support.Test):
    @classmethod
    def setUpClass(cls):
        cls.model = gpt2run.load(DEMO)

    def refused(self, kind, words, function, *arguments, **options):
        with self.assertRaisesRegex(kind, words):
            function(*arguments, **options)

    def test_classes(self):
        self.assertTrue(issubclass(gpt2run.Error, RuntimeError))
        self.assertTrue(issubclass(gpt2run.UsageError, gpt2run.Error) and issubclass(gpt2run.UsageError, ValueError))

    def test_loading(self):
        with tempfile.TemporaryDirectory() as folder:
            self.refused(gpt2run.Error, "no config.json", gpt2run.load, folder)
            other = pathlib.Path(folder) / "model.txt"
            other.write_text("no model", encoding="utf-8")
            self.refused(gpt2run.Error, "no loader knows this format", gpt2run.load, other)
            self.refused(gpt2run.Error, "no such file", gpt2run.load, pathlib.Path(folder) / "nowhere")
        self.refused(gpt2run.UsageError, "no precision .*fp31", gpt2run.load, DEMO, precision="fp31")
        self.refused(gpt2run.UsageError, "isa.*sse", gpt2run.load, DEMO, precision="cpu-fp32:isa=sse")
        self.refused(gpt2run.UsageError, "expected one, found 2", gpt2run.load, DEMO, precision="fp32,fp16")
        self.refused(gpt2run.UsageError, "threads", gpt2run.load, DEMO, threads=-1)
        self.refused(gpt2run.UsageError, "batch", gpt2run.load, DEMO, batch=0)
        self.refused(gpt2run.UsageError, "context: expected at most 1024", gpt2run.load, DEMO, context=2000)
        self.refused(TypeError, "", gpt2run.load, 7)
        self.refused(TypeError, "", gpt2run.load, DEMO, precsion="fp32")

    def test_options(self):
        generate = self.model.generate
        self.refused(gpt2run.UsageError, "no sampler .*nucleos", generate, "a", sampler="nucleos")
        self.refused(gpt2run.UsageError, "top_p", generate, "a", top_p=1.5)
        self.refused(gpt2run.UsageError, "unknown option .*pinalty", generate, "a", sampler="repetition-penalty", pinalty=1.2)
        self.refused(gpt2run.UsageError, "seed", generate, "a", seed=-1)
        self.refused(gpt2run.UsageError, "seed", generate, "a", seed=2**64)
        self.refused(gpt2run.Error, "max_new: expected 0 or more", generate, "a", max_new_tokens=-1)
        self.refused(gpt2run.Error, "samples", generate, "a", samples=0)
        self.refused(gpt2run.Error, "stops: expected texts", generate, "a", stop="")
        self.refused(gpt2run.Error, "context_shift", generate, "a", context_shift=5000, max_new_tokens=2000)
        self.refused(TypeError, "found int", generate, "a", sampler=7)
        self.refused(TypeError, "", generate, "a", max_new_tokens="many")
        self.assertEqual(generate("a", max_new_tokens=0), "")

    def test_texts_and_ids(self):
        for function in (self.model.generate, self.model.logits, self.model.logprobs, self.model.perplexity):
            self.refused(gpt2run.UsageError, "token 4096 is out of range, the vocabulary has 4096", function, [1, 4096])
            self.refused(ValueError, "token -1 is out of range", function, np.array([-1, 4]))
            self.refused(ValueError, "out of range", function, [2**80, 3])
            self.refused(TypeError, "", function, 7)
            self.refused(TypeError, "whole numbers, found float64", function, np.array([1.0, 2.0]))
            self.refused(TypeError, "whole numbers, found bool", function, [True, False])
        self.refused(TypeError, "one dimension", self.model.logits, np.zeros((2, 3), dtype=int))
        self.refused(gpt2run.Error, "at least one token", self.model.logits, "")
        self.refused(gpt2run.Error, "at least one token", self.model.logits, [])
        self.refused(gpt2run.Error, "no tokens", self.model.generate, "")
        self.refused(gpt2run.Error, "1025 tokens, the context holds 1024", self.model.logits, [5] * 1025)
        self.refused(gpt2run.Error, "1025 tokens, the context holds 1024", self.model.generate, [5] * 1025)
        # What is seen inside takes memory for each token: these are refused before that is taken.
        self.refused(gpt2run.Error, "500000 tokens, the context holds 1024", self.model.attention, [5] * 500000)
        self.refused(gpt2run.Error, "500000 tokens, the context holds 1024", self.model.lens, [5] * 500000)
        with self.model.patch(op="attention", mean=True):
            self.refused(gpt2run.Error, "1025 tokens, the context holds 1024", self.model.logits, [5] * 1025)
        self.refused(gpt2run.UsageError, "one prompt, found 2", self.model.stream, ["a", "b"])
        self.refused(UnicodeEncodeError, "surrogates", self.model.generate, "\ud800")
        self.refused(TypeError, "expected a text", self.model.tokenizer.encode, 7)
        self.refused(ValueError, "out of range", self.model.tokenizer.decode, [4096])
        self.refused(ValueError, "out of range", self.model.tokenizer.piece, -1)
        self.assertEqual(self.model.logits([5] * 1024).shape, (1024, 4096))

    def test_perplexity(self):
        perplexity = self.model.perplexity
        self.refused(gpt2run.UsageError, "--protocol: expected original.*found \"llamas\"", perplexity, "a b c", "llamas")
        self.refused(gpt2run.UsageError, "--protocol", perplexity, "a b c", "hf")
        self.refused(gpt2run.UsageError, "--stride: protocol llama has none", perplexity, "a b c", "llama", stride=5)
        self.refused(gpt2run.UsageError, "--max_length: expected at most 1024", perplexity, "a b c", max_length=2000)
        self.refused(gpt2run.UsageError, "max_length", perplexity, "a b c", max_length=-1)
        self.refused(gpt2run.Error, "at least 2 tokens, found 1", perplexity, [5])

    def test_a_smaller_context(self):
        with gpt2run.load(DEMO, context=8) as model:
            self.assertEqual(model.logits([5] * 8).shape, (8, 4096))
            self.refused(gpt2run.Error, "9 tokens, the context holds 8", model.logits, [5] * 9)
            self.assertEqual(model.generate([5] * 4, max_new_tokens=50, details=True).finish_reason, "context")
            self.assertEqual(model.perplexity([5] * 30).tokens, 29)
            np.testing.assert_array_equal(model.logits([5, 6]), self.model.logits([5, 6]))

    def test_closed(self):
        model = gpt2run.load(DEMO)
        logits = model.logits("a b")
        stream = model.stream("a b")
        next(stream)
        model.close()
        model.close()
        self.assertTrue(model.closed)
        self.assertTrue(np.isfinite(logits).all())
        for function in (model.generate, model.logits, model.logprobs, model.perplexity, model.stream, model.tokenizer.encode):
            self.refused(gpt2run.Error, "the model is closed", function, "a b")
        self.refused(gpt2run.Error, "the model is closed", next, stream)
        self.refused(gpt2run.Error, "the model is closed", len, model.tokenizer)
        self.refused(gpt2run.Error, "the model is closed", gpt2run.compare, model, [self.model], "a b")
        self.assertIn("closed", repr(model))

    def test_a_stream_has_the_model(self):
        stream = self.model.stream("a b")
        next(stream)
        for function in (self.model.generate, self.model.logits, self.model.perplexity, self.model.stream):
            self.refused(gpt2run.Error, "a stream of this model is not finished", function, "a b")
        self.assertTrue(self.model.tokenizer.encode("a b"))
        stream.close()
        self.assertEqual(list(stream), [])
        self.assertEqual(self.model.logits("a b").shape[1], 4096)

    def test_a_stream_ends_with_its_error(self):
        def drop_all(logits, tokens, rng):
            logits[:] = -np.inf

        stream = self.model.stream("a b", sampler=[drop_all, "argmax"])
        self.refused(gpt2run.Error, "no token can be chosen", next, stream)
        self.assertEqual(list(stream), [])
        self.assertEqual(self.model.logits("a b").shape[1], 4096)

    def test_without_a_tokenizer(self):
        with gpt2run.load("synthetic:L=1,C=16,H=2,F=16,V=64,T=16") as model:
            self.refused(gpt2run.Error, "no tokenizer", model.generate, "a")
            self.refused(gpt2run.Error, "no tokenizer", len, model.tokenizer)
            self.refused(gpt2run.Error, "without a tokenizer", model.generate, [5], stop="a")
            found = model.generate([5, 6], max_new_tokens=3, details=True)
            self.assertEqual((found.text, len(found.tokens)), ("", 3))
            self.assertIsNone(model.perplexity([5, 6, 7]).bits_per_byte)

    def test_plugin_folders(self):
        self.refused(gpt2run.Error, "expected a folder", gpt2run.add_plugin_folder, DEMO / "config.json")
        self.refused(TypeError, "", gpt2run.add_plugin_folder, 7)
        with tempfile.TemporaryDirectory() as folder:
            broken = pathlib.Path(folder) / "gpt2run-sampler-broken.so"
            broken.write_bytes(b"no library")
            before = len(gpt2run.plugins())
            gpt2run.add_plugin_folder(folder)
            found = {plugin["name"]: plugin for plugin in gpt2run.plugins() if plugin["kind"] == "sampler"}
            self.assertEqual(len(gpt2run.plugins()), before + 1)
            self.assertIn(str(broken), found["broken"]["refusal"])
            with gpt2run.load(DEMO) as model:
                self.refused(gpt2run.Error, "broken", model.generate, "a", sampler="broken")
            self.assertTrue(self.model.generate("a", max_new_tokens=2, sampler="argmax"))


if __name__ == "__main__":
    main()
