"""python.sampling: samplers and logits processors in Python."""

import traceback

import support
from support import DEMO, main

import gpt2run
import numpy as np

PROMPTS = ["The old king", "Once upon a time", "In a village"]


def argmax(logits, tokens, rng):
    return logits.argmax()


def drawn(logits, tokens, rng):
    masses = np.exp(logits.astype(np.float64) - logits.max())
    return rng.choice(len(masses), p=masses / masses.sum())


class Sampling(support.Test):
    @classmethod
    def setUpClass(cls):
        cls.model = gpt2run.load(DEMO)
        cls.options = {"max_new_tokens": 16}

    def test_choosing_like_argmax(self):
        self.assertEqual(self.model.generate(PROMPTS, sampler=argmax, **self.options), self.model.generate(PROMPTS, sampler="argmax", **self.options))

    def test_a_draw_depends_on_seed_sequence_and_position_alone(self):
        alone = self.model.generate(PROMPTS, sampler=drawn, samples=2, **self.options)
        with gpt2run.load(DEMO, batch=4) as model:
            self.assertEqual(model.generate(PROMPTS, sampler=drawn, samples=2, **self.options), alone)
        self.assertEqual(len(set(alone)), 6)
        self.assertNotEqual(self.model.generate(PROMPTS[0], sampler=drawn, seed=1, **self.options), alone[0])
        stream = self.model.stream(PROMPTS[0], sampler=drawn, **self.options)
        self.assertEqual("".join(stream), alone[0])

    def test_what_a_sampler_sees(self):
        seen = []

        def sampler(logits, tokens, rng):
            seen.append((logits.copy(), tokens, rng))
            return logits.argmax()

        found = self.model.generate(PROMPTS[1], sampler=sampler, max_new_tokens=3, details=True)
        ids = self.model.tokenizer.encode(PROMPTS[1]) + found.tokens.tolist()
        for i, (logits, tokens, rng) in enumerate(seen):
            self.assertEqual((logits.shape, logits.dtype, tokens.dtype), ((4096,), np.float32, np.int32))
            self.assertEqual(tokens.tolist(), ids[: len(ids) - 3 + i])
            np.testing.assert_array_equal(logits, self.model.logits(tokens)[-1])
            self.assertIsInstance(rng, np.random.Generator)

    def test_changing_logits_in_a_chain(self):
        banned = self.model.generate(PROMPTS[0], sampler="argmax", max_new_tokens=1, details=True).tokens[0]

        def ban(logits, tokens, rng):
            logits[banned] = -np.inf

        def ban_anew(logits, tokens, rng):
            return np.where(np.arange(len(logits)) == banned, -np.inf, logits)

        expected = None
        for chain in ([ban, "argmax"], [ban_anew, "argmax"], [ban, argmax], ["repetition-penalty:penalty=1.0", ban, "argmax"], [ban, "top-k:top_k=1", argmax]):
            found = self.model.generate(PROMPTS[0], sampler=chain, details=True, **self.options)
            self.assertNotIn(banned, found.tokens)
            expected = expected or found
            self.assertEqual(found.tokens.tolist(), expected.tokens.tolist())
            np.testing.assert_array_equal(found.logprobs, expected.logprobs)  # of the raw logits, not of the changed ones
        without = self.model.generate(PROMPTS[0], sampler=[ban, "nucleus"], top_k=1, **self.options)
        self.assertEqual(without, expected.text)

    def test_processors_of_transformers_form(self):
        shapes = set()

        class Forbid:
            def __call__(self, input_ids, scores):
                shapes.add((input_ids.dtype.name, scores.dtype.name, input_ids.shape[0], scores.shape))
                scores[:, input_ids[0, -1]] = -np.inf
                return scores

        def sharper(input_ids, scores):
            return scores * 1e4

        found = self.model.generate(PROMPTS[0], logits_processor=[Forbid(), sharper], details=True, **self.options)
        self.assertEqual(shapes, {("int64", "float32", 1, (1, 4096))})
        ids = self.model.tokenizer.encode(PROMPTS[0]) + found.tokens.tolist()
        self.assertTrue(all(a != b for a, b in zip(ids[2:], ids[3:])))
        alone = self.model.generate(PROMPTS[0], logits_processor=sharper, **self.options)
        self.assertEqual(alone, self.model.generate(PROMPTS[0], sampler="argmax", **self.options))

    def test_an_exception_has_its_own_traceback(self):
        expected = self.model.generate(PROMPTS[0], **self.options)

        def broken(logits, tokens, rng):
            if len(tokens) > 5:
                raise KeyError("no such word")
            return logits.argmax()

        for sampler in (broken, [broken, "argmax"]):
            if isinstance(sampler, list):

                def broken(logits, tokens, rng):
                    raise KeyError("no such word")

                sampler[0] = broken
            try:
                self.model.generate(PROMPTS[0], sampler=sampler, **self.options)
                self.fail("expected a KeyError")
            except KeyError as error:
                self.assertEqual(error.args, ("no such word",))
                self.assertEqual(traceback.extract_tb(error.__traceback__)[-1].name, "broken")
            self.assertEqual(self.model.generate(PROMPTS[0], **self.options), expected)
        stream = self.model.stream(PROMPTS[0], sampler=broken)
        with self.assertRaises(KeyError):
            list(stream)
        self.assertEqual(self.model.generate(PROMPTS[0], **self.options), expected)

    def test_wrong_results(self):
        model, options = self.model, self.options
        cases = [
            (lambda logits, tokens, rng: None, TypeError, "found None"),
            (lambda logits, tokens, rng: 4096, ValueError, r"\[0, 4096\), found 4096"),
            (lambda logits, tokens, rng: -1, ValueError, "found -1"),
            (lambda logits, tokens, rng: 2**70, ValueError, "found 1180591620717411303424"),
            (lambda logits, tokens, rng: 1.5, TypeError, "float"),
            (lambda logits, tokens, rng: "a", TypeError, "str"),
            ([lambda logits, tokens, rng: 7, "argmax"], TypeError, "last of the chain"),
            ([lambda logits, tokens, rng: logits[:5], "argmax"], ValueError, "expected 4096 logits"),
            (["argmax", argmax], gpt2run.UsageError, "selects the token"),
            ([argmax, 7], TypeError, "found int"),
            (lambda logits: 1, TypeError, "argument"),
        ]
        for sampler, error, words in cases:
            with self.assertRaisesRegex(error, words):
                model.generate(PROMPTS[0], sampler=sampler, **options)
        with self.assertRaisesRegex(ValueError, "expected 4096 logits"):
            model.generate(PROMPTS[0], logits_processor=lambda ids, scores: scores[:, :9], **options)
        with self.assertRaisesRegex(TypeError, "expected functions"):
            model.generate(PROMPTS[0], logits_processor=["nucleus"], **options)

        def drop_all(logits, tokens, rng):
            logits[:] = -np.inf

        with self.assertRaisesRegex(gpt2run.Error, "no token can be chosen"):
            model.generate(PROMPTS[0], sampler=[drop_all, "argmax"], **options)
        with self.assertRaisesRegex(gpt2run.Error, "cannot use it"):
            model.generate(PROMPTS[0], sampler=lambda logits, tokens, rng: len(model.generate("a")), **options)
        self.assertEqual(len(model.generate(PROMPTS[0], details=True, **options).tokens), 16)

    def test_after_a_context_shift(self):
        seen = []

        def sampler(logits, tokens, rng):
            seen.append(tokens.tolist())
            return logits.argmax()

        with gpt2run.load(DEMO, context=8) as model:
            found = model.generate([5, 6, 7], sampler=sampler, max_new_tokens=9, ignore_eos=True, context_shift=4, details=True)
        whole = [5, 6, 7, *found.tokens.tolist()]
        self.assertEqual(len(found.tokens), 9)
        for i, tokens in enumerate(seen):
            self.assertEqual(tokens, whole[: 3 + i][-len(tokens) :])
        self.assertEqual(max(map(len, seen)), 8)
        self.assertLess(len(seen[-1]), 8)

    def test_logits_of_another_type_or_shape(self):
        def of_another_type(logits, tokens, rng):
            logits.dtype = np.float64

        def of_the_same_size(logits, tokens, rng):
            logits.dtype = np.int32

        def of_another_shape(logits, tokens, rng):
            logits.shape = (2, -1)

        def chooses(logits, tokens, rng):
            logits.dtype = np.float64
            return 5

        for sampler in ([of_another_type, "argmax"], [of_the_same_size, "argmax"], [of_another_shape, "argmax"], chooses):
            with self.assertRaisesRegex(TypeError, "it changed the type or the shape of its logits"):
                self.model.generate(PROMPTS[0], sampler=sampler, **self.options)

        def locked(logits, tokens, rng):
            logits.flags.writeable = False

        expected = self.model.generate(PROMPTS[0], sampler="argmax", **self.options)
        self.assertEqual(self.model.generate(PROMPTS[0], sampler=[locked, "argmax"], **self.options), expected)

    def test_arrays_may_be_kept(self):
        kept = []

        def keeper(logits, tokens, rng):
            kept.append((logits, tokens))
            return logits.argmax()

        with gpt2run.load(DEMO) as model:
            model.generate(PROMPTS[0], sampler=keeper, max_new_tokens=4)
        self.assertEqual([len(tokens) for _, tokens in kept], [3, 4, 5, 6])
        for logits, tokens in kept:
            logits += tokens[0]
        self.assertTrue(all(np.isfinite(logits).all() for logits, _ in kept))


if __name__ == "__main__":
    main()
