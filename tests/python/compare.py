"""python.compare: the table of a comparison, against gpt2compare."""

import json

import support
from support import DEMO, STUDY, main

import gpt2run
import numpy as np


class Compare(support.Test):
    def test_means_and_errors_are_those_of_gpt2compare(self):
        shown = support.run("gpt2compare", "--model", DEMO, "--ref", "fp32", "--test", "bf16,cpu-int8", "--text", STUDY, "--limit", 300,
                            "--window", 128, "--floor", "off", "--layers", 0, "--json", "-", "-q")  # fmt: skip
        expected = json.loads(shown)["tests"]
        text = STUDY.read_text(encoding="utf-8")
        with gpt2run.load(DEMO) as reference, gpt2run.load(DEMO, precision="bf16") as test, gpt2run.load(DEMO, precision="cpu-int8") as other:
            table = gpt2run.compare(reference, [test, other], text, limit=300, window=128)
        self.assertEqual(table.names, ["cpu-bf16", "cpu-int8"])
        self.assertEqual({len(column) for column in table.values()}, {600})
        summary = table.summary()
        self.assertEqual(summary["targets"].tolist(), [300, 300])
        for i, one in enumerate(expected):
            for metric, values in one["metrics"].items():
                for suffix, key in (("", "mean"), ("_se", "standard_error"), ("_batch_se", "batch_standard_error")):
                    np.testing.assert_allclose(summary[metric + suffix][i], values[key], rtol=1e-12, err_msg=metric + suffix)
            flips = (table["ref_token"] != table["test_token"])[table["test"] == i].sum()
            self.assertEqual(flips, len(one["flips"]))

    def test_names_of_precisions(self):
        table = gpt2run.compare("fp32", "fp16", ["The old king was very angry.", [5, 6, 7]], model=DEMO)
        self.assertEqual((table.reference, table.names), ("cpu-fp32", ["cpu-fp16"]))
        self.assertEqual(sorted(set(table["text"].tolist())), [0, 1])
        self.assertTrue((0 <= table["kl_ref_test"]).all() and table["kl_ref_test"].max() > 0)
        ids = table["token"][table["text"] == 1]
        self.assertEqual(ids.tolist(), [6, 7])
        np.testing.assert_allclose(table["logprob_difference"], table["test_logprob"] - table["ref_logprob"], atol=1e-12)

    def test_equal_models_differ_by_nothing(self):
        table = gpt2run.compare("fp32", "fp32", "Once upon a time", model=DEMO)
        for name in ("kl_ref_test", "kl_test_ref", "js", "tvd", "logit_mse", "logprob_difference"):
            self.assertEqual(table[name].tolist(), [0.0] * len(table[name]), name)

    def test_pandas(self):
        table = gpt2run.compare("fp32", "bf16", "Once upon a time", model=DEMO)
        try:
            import pandas
        except ImportError:
            with self.assertRaises(ImportError):
                table.to_pandas()
            return
        frame = table.to_pandas()
        self.assertIsInstance(frame, pandas.DataFrame)
        self.assertEqual(set(frame["test"]), {"cpu-bf16"})

    def test_refused(self):
        with gpt2run.load(DEMO) as model, gpt2run.load("synthetic:L=1,C=16,H=2,F=16,V=64,T=16") as other:
            with self.assertRaisesRegex(gpt2run.Error, "one twice"):
                gpt2run.compare(model, [model], "a b c")
            with self.assertRaisesRegex(gpt2run.Error, "vocabulary of 4096"):
                gpt2run.compare(model, other, "a b c")
            with self.assertRaisesRegex(gpt2run.Error, "at least 2 tokens"):
                gpt2run.compare("fp32", "fp16", [7], model=DEMO)
            with self.assertRaisesRegex(gpt2run.Error, "at least one model"):
                gpt2run.compare(model, [], "a b c")
            with self.assertRaisesRegex(TypeError, "model="):
                gpt2run.compare("fp32", [model], "a b c")
            with self.assertRaisesRegex(gpt2run.UsageError, "window"):
                gpt2run.compare("fp32", "fp16", "a b c", model=DEMO, window=5000)


if __name__ == "__main__":
    main()
