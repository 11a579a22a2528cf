"""python.taps: what the operations of a model write, seen from Python."""

import json
import pathlib
import struct
import tempfile
import threading

import support
from support import DEMO, main

import gpt2run
import numpy as np

TEXT = "Once upon a time there was a king"
OPS = ("norm_qkv", "attention", "project_add", "norm_up_gelu", "down_add")


def weights():
    """The demo model's embeddings, by name."""
    data = (DEMO / "model.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    found = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name.endswith(("wte.weight", "wpe.weight")):
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[8 + size + begin : 8 + size + end], dtype=np.float32)
            found[name.split(".")[-2]] = values.reshape(entry["shape"])
    return found


class TapsOfAModel(support.Test):
    @classmethod
    def setUpClass(cls):
        cls.model = gpt2run.load(DEMO)
        cls.ids = cls.model.tokenizer.encode(TEXT)

    def test_every_operation(self):
        rows = len(self.ids)
        with self.model.tap() as taps:
            logits = self.model.logits(TEXT)
        columns = {"norm_qkv": 576, "attention": 192, "project_add": 192, "norm_up_gelu": 768, "down_add": 192}
        expected = {"embed": (rows, 192), "norm_logits": (rows, 4096)}
        expected |= {f"h.{layer}.{op}": (rows, columns[op]) for layer in range(6) for op in OPS}
        self.assertEqual({name: values.shape for name, values in taps.items()}, expected)
        self.assertEqual({values.dtype for values in taps.values()}, {np.dtype(np.float32)})
        np.testing.assert_array_equal(taps["norm_logits"], logits)
        np.testing.assert_array_equal(taps.positions("embed"), np.arange(rows))
        self.assertEqual(set(taps.sequences("h.2.attention").tolist()), {0})
        self.assertEqual(len(taps), 32)
        self.assertIs(taps["embed"], taps["embed"])
        with self.assertRaises(KeyError):
            taps["h.6.attention"]

    def test_the_embedding_is_that_of_the_file(self):
        with self.model.tap("embed") as taps:
            self.model.logits(self.ids)
        self.assertEqual(list(taps), ["embed"])
        held = weights()
        np.testing.assert_array_equal(taps["embed"], held["wte"][self.ids] + held["wpe"][: len(self.ids)])

    def test_hidden_states(self):
        with self.model.tap() as taps:
            self.model.logits(self.ids)
        states = taps.hidden_states
        self.assertEqual([state.shape for state in states], [(len(self.ids), 192)] * 7)
        np.testing.assert_array_equal(states[3], taps["h.2.down_add"])

    def test_a_tap_changes_no_bit(self):
        expected = self.model.generate(TEXT, max_new_tokens=12, details=True)
        logits = self.model.logits(TEXT)
        with self.model.tap():
            found = self.model.generate(TEXT, max_new_tokens=12, details=True)
            np.testing.assert_array_equal(self.model.logits(TEXT), logits)
        np.testing.assert_array_equal(found.tokens, expected.tokens)
        np.testing.assert_array_equal(found.logprobs, expected.logprobs)

    def test_rows_of_several_sequences(self):
        prompts, options = ["The old king", "Once upon a time there", "In"], {"max_new_tokens": 5, "sampler": "argmax"}
        alone = []
        for prompt in prompts:
            with self.model.tap("attention", [2]) as taps:
                self.model.generate(prompt, **options)
            alone.append(taps["h.2.attention"])
        with gpt2run.load(DEMO, batch=2) as model, model.tap(["attention"], [2]) as taps:
            model.generate(prompts, **options)
        owners, positions = taps.sequences("h.2.attention"), taps.positions("h.2.attention")
        for sequence, values in enumerate(alone):
            self.assertEqual(positions[owners == sequence].tolist(), list(range(len(values))))
            np.testing.assert_array_equal(taps["h.2.attention"][owners == sequence], values)

    def test_a_block_holds_the_last_call(self):
        with self.model.tap("embed") as taps:
            self.assertEqual(len(taps), 0)
            self.model.logits(self.ids)
            self.assertEqual(len(taps["embed"]), len(self.ids))
            self.model.logits(self.ids[:2])
            kept = taps["embed"]
            self.assertEqual(len(kept), 2)
            stream = self.model.stream(self.ids, max_new_tokens=3)
            next(stream)
            self.assertGreater(len(taps["embed"]), 2)
            list(stream)
        self.assertEqual(len(taps["embed"]), len(self.ids) + 2)
        self.model.logits(self.ids[:1])  # after the block nothing is collected
        self.assertEqual(len(taps["embed"]), len(self.ids) + 2)
        self.assertEqual(len(kept), 2)

    def test_a_look_while_another_thread_computes(self):
        ended = threading.Event()
        with gpt2run.load(DEMO, threads=1) as model, model.tap() as taps:

            def work():
                for i in range(30):
                    model.generate(self.ids * 8, max_new_tokens=30, seed=i, ignore_eos=True)
                ended.set()

            thread = threading.Thread(target=work)
            thread.start()
            while not ended.is_set():
                # What a look copies. By its name alone it could be that of the next call.
                for name, (values, sequences, positions) in taps._store.tensors().items():
                    self.assertEqual({len(values), len(sequences)}, {len(positions)}, name)
                    self.assertTrue(np.isfinite(values).all() and (np.diff(positions) > 0).all() and not sequences.any(), name)
            thread.join()
        self.assertEqual(taps.positions("embed").tolist(), list(range(len(self.ids) * 8 + 29)))

    def test_every_precision_has_taps(self):
        for precision in ("reference", "bf16", "fp16", "cpu-int8", "cpu-int4"):
            with gpt2run.load(DEMO, precision=precision) as model, model.tap("down_add", [5]) as taps:
                model.logits(self.ids)
            self.assertEqual(taps["h.5.down_add"].shape, (len(self.ids), 192), precision)

    def test_weights(self):
        held = weights()
        np.testing.assert_array_equal(self.model.weight("wte"), held["wte"])
        np.testing.assert_array_equal(self.model.weight("head_w"), held["wte"])
        self.assertEqual((self.model.weight("qkv_w", 5).shape, self.model.weight("lnf_b").shape), ((576, 192), (192,)))
        for name, layer in (("wqe", 0), ("qkv_w", 6), ("qkv_w", -1), ("wte", 1)):
            with self.assertRaisesRegex(gpt2run.Error, "expected"):
                self.model.weight(name, layer)

    def test_lens(self):
        found = self.model.lens(TEXT, top=3)
        rows = len(self.ids)
        self.assertEqual((found.tokens.shape, found.probabilities.shape, found.final_probability.shape), ((7, rows, 3), (7, rows, 3), (7, rows)))
        logits = self.model.logits(TEXT).astype(np.float64)
        masses = np.exp(logits - logits.max(1, keepdims=True))
        masses /= masses.sum(1, keepdims=True)
        best = np.argsort(-logits, axis=1, kind="stable")[:, :3]
        np.testing.assert_array_equal(found.final, best[:, 0])
        np.testing.assert_array_equal(found.tokens[-1], best)  # after the last layer it is the model itself
        np.testing.assert_allclose(found.probabilities[-1], np.take_along_axis(masses, best, 1), rtol=1e-4)
        np.testing.assert_allclose(found.final_probability[-1], masses[np.arange(rows), best[:, 0]], rtol=1e-4)
        self.assertTrue((np.diff(found.probabilities, axis=2) <= 0).all())
        self.assertLess(found.final_probability[0].mean(), found.final_probability[-1].mean())
        lines = str(found).splitlines()
        self.assertEqual(len(lines), 8)
        self.assertEqual([line.split()[0] for line in lines], ["after", "embed", "h.0", "h.1", "h.2", "h.3", "h.4", "h.5"])
        with self.assertRaisesRegex(ValueError, "top"):
            self.model.lens(TEXT, top=0)
        with gpt2run.load("synthetic:L=1,C=16,H=2,F=16,V=64,T=16") as model:
            self.assertIn("#5", str(model.lens([5, 6])))

    def test_lens_is_the_sink(self):
        for precision in ("fp32", "bf16", "cpu-int8"):
            shown = support.run("gpt2run", "--model", DEMO, "--prompt", TEXT, "-n", 1, "--precision", precision, "--sink", "lens:format=jsonl:top=4", "-q")
            lines = [json.loads(line) for line in shown.splitlines()]
            with gpt2run.load(DEMO, precision=precision) as model:
                found = model.lens(TEXT, top=4)
            self.assertEqual(len(lines), len(self.ids))
            for at, line in enumerate(lines):
                self.assertEqual(line["final"]["id"], found.final[at])
                for layer, reading in enumerate(line["layers"]):
                    self.assertEqual(reading["final_rank"], found.final_rank[layer, at])
                    self.assertEqual(np.float32(reading["final_probability"]), found.final_probability[layer, at])
                    self.assertEqual([token["id"] for token in reading["top"]], found.tokens[layer, at].tolist())
                    self.assertEqual([np.float32(token["probability"]) for token in reading["top"]], found.probabilities[layer, at].tolist())

    def test_attention_is_the_sink(self):
        with tempfile.TemporaryDirectory() as folder:
            support.run("gpt2run", "--model", DEMO, "--prompt", TEXT, "-n", 1, "--sink", f"attention:dir={folder}/a:page=off", "-q")
            arrays = [np.load(path) for path in sorted(pathlib.Path(folder, "a").glob("*.npy"))]
        found = self.model.attention(TEXT)
        self.assertEqual((found.shape, found.dtype), ((6, 3, len(self.ids), len(self.ids)), np.float32))
        np.testing.assert_array_equal(found, arrays)
        np.testing.assert_allclose(found.sum(3), 1, rtol=1e-6)
        np.testing.assert_array_equal(self.model.attention(self.ids, [4, 1]), found[[4, 1]])
        np.testing.assert_array_equal(self.model.attention(self.ids, 2), found[[2]])
        with self.assertRaisesRegex(gpt2run.Error, "layers of the model, 0 to 5, found 6"):
            self.model.attention(TEXT, 6)
        with gpt2run.load(DEMO, batch=1, context=1024) as model:  # several steps
            ids = (self.ids * 80)[:600]
            long = model.attention(ids, 0)
            np.testing.assert_array_equal(long[..., : len(self.ids), : len(self.ids)], found[[0]])
            np.testing.assert_allclose(long.sum(3), 1, rtol=1e-6)

    def test_refused(self):
        with self.assertRaisesRegex(gpt2run.Error, "norm_up_gelu.*found \"atention\""):
            with self.model.tap("atention"):
                pass
        with self.model.tap():
            with self.assertRaisesRegex(gpt2run.Error, "a tap already"):
                with self.model.tap():
                    pass
        self.assertEqual(len(self.model.generate(TEXT, max_new_tokens=2, details=True).tokens), 2)


if __name__ == "__main__":
    main()
