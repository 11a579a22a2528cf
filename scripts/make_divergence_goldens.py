#!/usr/bin/env python3
"""Makes tests/golden/evaluation/divergence.json: pairs of rows of logits and how far apart they are. Needs numpy and scipy; the
versions are written down.

    python3 scripts/make_divergence_goldens.py

Every metric is computed twice: by its definition with 60 digits (`exact`), and by SciPy and NumPy in double (`scipy`),
which are held against each other here; SciPy has no answer for rows so near that doubles cancel, or so far apart that a
probability is 0 in double. -infinity is null.
"""
import decimal
import json
import math
import pathlib
import platform

import numpy
import scipy
from scipy.spatial import distance
from scipy.special import log_softmax, rel_entr, softmax

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "evaluation" / "divergence.json"
TOP_K = 5
Number = decimal.Decimal
decimal.getcontext().prec = 60


def log_probabilities(row):
    logits = [Number(float(logit)) if math.isfinite(logit) else None for logit in row]
    log_sum = sum(logit.exp() for logit in logits if logit is not None).ln()
    return [None if logit is None else logit - log_sum for logit in logits]


def kl(a, b):
    if any(x is not None and y is None for x, y in zip(a, b)):
        return math.inf
    return float(sum(x.exp() * (x - y) for x, y in zip(a, b) if x is not None))


def probability(x):
    return Number(0) if x is None else x.exp()


def mean_of(values):
    return sum(values) / len(values)


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return float(dot / (sum(x * x for x in a) * sum(y * y for y in b)).sqrt())


def order(row):
    return sorted(range(len(row)), key=lambda token: (-row[token], token))


def exact(ref, test, target):
    p, q = log_probabilities(ref), log_probabilities(test)
    middle = [(probability(x) + probability(y)) / 2 for x, y in zip(p, q)]
    middle = [m.ln() if m else None for m in middle]
    both = [(Number(float(r)), Number(float(t))) for r, t in zip(ref, test) if math.isfinite(r) and math.isfinite(t)]
    r, t = [pair[0] for pair in both], [pair[1] for pair in both]
    r_aligned, t_aligned = [x - mean_of(r) for x in r], [x - mean_of(t) for x in t]
    same_drops = all(math.isfinite(x) == math.isfinite(y) for x, y in zip(ref, test))
    best, best_test = order(ref), order(test)
    return {
        "kl_ref_test": kl(p, q),
        "kl_test_ref": kl(q, p),
        "js": float((Number(kl(p, middle)) + Number(kl(q, middle))) / 2),
        "tvd": float(sum(abs(probability(x) - probability(y)) for x, y in zip(p, q)) / 2),
        "logit_mse": float(mean_of([(y - x) ** 2 for x, y in both])) if same_drops else math.inf,
        "logit_mse_aligned": float(mean_of([(y - x) ** 2 for x, y in zip(r_aligned, t_aligned)]))
        if same_drops
        else math.inf,
        "cosine": cosine(r, t),
        "cosine_aligned": cosine(r_aligned, t_aligned),
        "logprob_difference": float(q[target] - p[target]),
        "top1_agreement": float(best[0] == best_test[0]),
        "topk_overlap": len(set(best[:TOP_K]) & set(best_test[:TOP_K])) / TOP_K,
        "entropy": float(-sum(x.exp() * x for x in p if x is not None)),
        "margin": float(ref[best[0]]) - float(ref[best[1]]),
        "margin_probability": float(probability(p[best[0]]) - probability(p[best[1]])),
    }


def by_scipy(ref, test, target):
    p, q = softmax(ref), softmax(test)
    kept = numpy.isfinite(ref) & numpy.isfinite(test)
    r, t = ref[kept], test[kept]
    r_aligned, t_aligned = r - r.mean(), t - t.mean()
    same_drops = bool((numpy.isfinite(ref) == numpy.isfinite(test)).all())
    return {
        "kl_ref_test": float(rel_entr(p, q).sum()),
        "kl_test_ref": float(rel_entr(q, p).sum()),
        "js": float(distance.jensenshannon(p, q) ** 2),
        "tvd": float(numpy.abs(p - q).sum() / 2),
        "logit_mse": float(((t - r) ** 2).mean()) if same_drops else math.inf,
        "logit_mse_aligned": float(((t_aligned - r_aligned) ** 2).mean()) if same_drops else math.inf,
        "cosine": float(1 - distance.cosine(r, t)),
        "cosine_aligned": float(1 - distance.cosine(r_aligned, t_aligned)),
        "logprob_difference": float(log_softmax(test)[target] - log_softmax(ref)[target]),
        "entropy": float(scipy.stats.entropy(p)),
    }


def written(value):
    return "infinity" if value == math.inf else value


def case(about, ref, test, target, in_doubles=True):
    ref, test = ref.astype(numpy.float32), test.astype(numpy.float32)
    values = exact(ref, test, target)
    record = {
        "about": about,
        "ref": [float(x) if math.isfinite(x) else None for x in ref],
        "test": [float(x) if math.isfinite(x) else None for x in test],
        "target": target,
        "exact": {name: written(value) for name, value in values.items()},
    }
    if in_doubles:
        others = by_scipy(ref.astype(numpy.float64), test.astype(numpy.float64), target)
        for name, value in others.items():
            assert math.isclose(value, values[name], rel_tol=1e-9, abs_tol=1e-12), (about, name, value, values[name])
        record["scipy"] = {name: written(value) for name, value in others.items()}
    return record


def main():
    random = numpy.random.default_rng(11)
    ref = random.normal(size=23) * 3
    dropped_test, dropped_both = ref.copy(), ref.copy()
    dropped_test[[2, 7]] = -math.inf
    dropped_both[[2]] = -math.inf
    one_up = ref.astype(numpy.float32)
    one_up[6] = numpy.nextafter(one_up[6], numpy.float32(99))
    cases = [
        case("two strangers", ref, random.normal(size=23) * 3, 4),
        case("half a type apart", ref, ref + random.normal(size=23) * 1e-2, 9),
        case("an offset of -200 and a change", ref, ref - 200 + random.normal(size=23) * 0.1, 0),
        case("far from 0", ref * 300, random.normal(size=23) * 900, int(numpy.argmax(ref)), in_doubles=False),
        case("dropped by the test", dropped_both, dropped_test, 5),
        case("dropped by the reference", dropped_test, dropped_both, 5),
        case("dropped by both", dropped_test, dropped_test + random.normal(size=23) * 0.3, 5),
        case("equal ones, the lowest id counts", numpy.round(ref), numpy.round(ref + 0.3), 1),
        case("a millionth apart", ref, ref.astype(numpy.float32) + random.normal(size=23) * 1e-6, 3, in_doubles=False),
        case("one unit of one logit", ref, one_up, 6, in_doubles=False),
    ]
    versions = f"python {platform.python_version()}, numpy {numpy.__version__}, scipy {scipy.__version__}"
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with OUT.open("w", encoding="utf-8") as file:
        made_by = "scripts/make_divergence_goldens.py"
        json.dump({"made_by": made_by, "versions": versions, "top_k": TOP_K, "cases": cases}, file)
        file.write("\n")


if __name__ == "__main__":
    main()
