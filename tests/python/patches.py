"""python.patches: activation patching in Python is that of gpt2run --patch and gpt2compare --patch."""

import json

import support
from support import DEMO, main

import gpt2run
import numpy as np

TEXT, DONOR = "The king was very angry, and", "The queen was very angry, and"
# A patch as a text, and by its terms.
PATCHES = [
    (f'op=down_add,layer=0,positions=1,from="{DONOR}"', {"op": "down_add", "layer": 0, "positions": 1, "from_": DONOR}),
    ("op=attention,layer=2-3,positions=last,zero", {"op": "attention", "layer": "2-3", "positions": "last", "zero": True}),
    ("op=norm_qkv,layer=1+4,heads=0+2,mean", {"op": "norm_qkv", "layer": [1, 4], "heads": (0, 2), "mean": True}),
    ("op=norm_up_gelu,layer=5,positions=3-,scale=0.5", {"op": "norm_up_gelu", "layer": 5, "positions": "3-", "scale": 0.5}),
    ("op=embed,positions=1,noise=7,size=3", {"op": "embed", "positions": np.int64(1), "noise": 7, "size": 3}),
]


class Patches(support.Test):
    @classmethod
    def setUpClass(cls):
        cls.model = gpt2run.load(DEMO)
        cls.ids = cls.model.tokenizer.encode(TEXT)

    def logits(self, *patches, **terms):
        with self.model.patch(*patches, **terms):
            return self.model.logits(self.ids)

    def test_generate_is_gpt2run(self):
        plain = self.model.generate(TEXT, max_new_tokens=12)
        for text, terms in PATCHES:
            (expected,) = support.continued("--prompt", TEXT, "-n", 12, "--patch", text)
            for given, named in (((text,), {}), ((), terms)):
                with self.subTest(text), self.model.patch(*given, **named):
                    found = self.model.generate(TEXT, max_new_tokens=12, details=True)
                    self.check_sequence(found, expected)
                    np.testing.assert_allclose(found.logprobs, np.array(expected["logprobs"], np.float32), rtol=1e-6)
                    self.assertEqual("".join(self.model.stream(TEXT, max_new_tokens=12)), found.text)
        self.assertEqual(self.model.generate(TEXT, max_new_tokens=12), plain)  # nothing is left of them

    def test_logits_are_gpt2compare(self):
        before = self.model.logits(self.ids)[-1]
        she, he = (self.model.tokenizer.encode(word)[0] for word in (" she", " he"))
        for text, _ in PATCHES:
            shown = support.run("gpt2compare", "--model", DEMO, "--ref", "fp32", "--prompt", TEXT, "--answer", " she", "--answer", " he", "--patch", text, "--json", "-", "-q")
            (expected,) = json.loads(shown[shown.index("{") :])["texts"]
            after = self.logits(text)[-1]
            for token, answer in zip((she, he), expected["answers"]):
                self.assertEqual((answer["before"]["logit"], answer["after"]["logit"]), (float(before[token]), float(after[token])), text)

    def test_every_precision(self):
        text = PATCHES[0][0]
        for precision in ("reference", "bf16", "fp16", "cpu-int8", "cpu-int4"):
            (expected,) = support.continued("--prompt", TEXT, "-n", 6, "--patch", text, "--precision", precision)
            with gpt2run.load(DEMO, precision=precision) as model, model.patch(text):
                self.assertEqual(model.generate(TEXT, max_new_tokens=6), expected["text"], precision)

    def test_several_prompts_and_samples(self):
        prompts = [TEXT, "The king was old, and"]
        options = {"max_new_tokens": 6, "samples": 2, "seed": 3}
        with gpt2run.load(DEMO, batch=3) as model, model.patch("op=attention,layer=1,positions=1,mean"):
            found = model.generate(prompts, **options)
        arguments = [word for prompt in prompts for word in ("--prompt", prompt)]
        expected = support.continued(*arguments, "-n", 6, "--samples", 2, "--seed", 3, "--patch", "op=attention,layer=1,positions=1,mean")
        self.assertEqual(found, [one["text"] for one in expected])

    def test_what_comes_before_keeps_its_bits(self):
        plain = self.model.logits(self.ids)
        patched = self.logits(op="attention", layer=2, positions=3, zero=True)
        np.testing.assert_array_equal(patched[:3], plain[:3])
        self.assertTrue((patched[3:] != plain[3:]).any(1).all())
        np.testing.assert_array_equal(self.logits(op="down_add", scale=1), plain)
        np.testing.assert_array_equal(self.logits(op=["attention"], from_=TEXT), plain)
        np.testing.assert_array_equal(self.logits(op="embed", from_=self.ids), plain)
        donor = self.model.tokenizer.encode(DONOR)
        np.testing.assert_array_equal(self.logits(op="down_add", layer=5, from_tokens=donor), self.model.logits(donor))

    def test_order_and_blocks_in_blocks(self):
        zero, scale = "op=attention,layer=1,zero", "op=attention,layer=1,noise=3"
        both = self.logits(zero, scale)
        with self.model.patch(zero) as outer, self.model.patch(scale):
            np.testing.assert_array_equal(self.model.logits(self.ids), both)
            with self.assertRaises(ZeroDivisionError), self.model.patch(zero):
                1 / 0
            np.testing.assert_array_equal(self.model.logits(self.ids), both)
        with self.model.patch(scale), outer:
            self.assertTrue((self.model.logits(self.ids) != both).any())
        with self.model.patch(zero):
            stream = self.model.stream(TEXT, max_new_tokens=4, sampler="argmax")
            text = next(stream)
        text += "".join(stream)  # a stream keeps what it began with
        with self.model.patch(zero):
            self.assertEqual(self.model.generate(TEXT, max_new_tokens=4, sampler="argmax"), text)

    def test_taps_and_the_lens_see_new_values(self):
        with self.model.patch(op="attention", layer=2, positions=1, zero=True), self.model.tap("attention") as taps:
            logits = self.model.logits(self.ids)
            lens = self.model.lens(self.ids, top=1)
        self.assertFalse(taps["h.2.attention"][1].any())
        self.assertTrue(taps["h.2.attention"][[0, 2]].any(1).all())
        np.testing.assert_array_equal(lens.final, logits.argmax(1))

    def test_refused(self):
        cases = [
            (["op=atention,zero"], {}, 'patch: op: expected .*found "atention".*did you mean "attention"'),
            (["op=attention,zero", "op=attention,layer=6,zero"], {}, r"patch \(number 2 of 2\).*layers of the model, 0 to 5, found 6"),
            ([], {"op": "attention", "heads": 3, "zero": True}, "heads? of the model, 0 to 2, found 3"),
            ([], {"op": "attention"}, "expected from=TEXT"),
            ([], {"op": "attention", "zero": True, "mean": True}, "found zero and mean"),
            ([], {"op": "attention", "from_tokens": [5000]}, "5000"),
        ]
        for texts, terms, line in cases:
            with self.subTest(line), self.assertRaisesRegex(gpt2run.UsageError, line):
                self.model.patch(*texts, **terms)
        for texts, terms in (([], {}), ([3], {}), ([], {"op": "attention", "nought": 0}), ([], {"op": "attention", "zero": 0}), ([], {"op": "embed", "from_": b"x"})):
            with self.subTest(terms), self.assertRaises(TypeError):
                self.model.patch(*texts, **terms)
        with self.model.patch(op="embed", from_="The"):
            with self.assertRaisesRegex(gpt2run.UsageError, "prompt 0.*at least 7 tokens"):
                self.model.logits(self.ids)
            self.assertEqual(len(self.model.logits(self.ids[:1])), 1)
        with self.model.patch("op=attention,zero"):
            with self.assertRaisesRegex(gpt2run.UsageError, "perplexity"):
                self.model.perplexity(TEXT)
            with self.assertRaisesRegex(gpt2run.UsageError, "compare"):
                gpt2run.compare(self.model, ["bf16"], TEXT, model=DEMO)
        with gpt2run.load(DEMO) as model:
            block = model.patch("op=attention,zero")
        with self.assertRaisesRegex(gpt2run.Error, "closed"), block:
            model.logits(TEXT)
        with self.assertRaisesRegex(gpt2run.Error, "closed"):
            model.patch("op=attention,zero")


if __name__ == "__main__":
    main()
