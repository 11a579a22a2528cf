#!/usr/bin/env python3
"""Makes tests/golden/evaluation/statistics.json: series of numbers and the standard errors of their means. Needs numpy; its
version is written down.

    python3 scripts/make_statistics_goldens.py

`batch` is that of overlapping batch means with batches of floor(sqrt(n)), each mean taken by itself, as Flegal and Jones
(2010) write it down: n b / ((n - b) (n - b + 1)) sum (mean of a batch - mean)^2 is the variance of one value, as far as
its neighbours tell, and that over n the variance of the mean.
"""
import json
import math
import pathlib
import platform

import numpy

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "evaluation" / "statistics.json"


def batch_error(values):
    n, b = len(values), math.isqrt(len(values))
    means = numpy.lib.stride_tricks.sliding_window_view(values, b).mean(axis=1)
    variance = n * b / ((n - b) * (n - b + 1)) * ((means - values.mean()) ** 2).sum()
    return math.sqrt(variance / n)


def case(about, values):
    values = numpy.round(numpy.asarray(values, dtype=numpy.float64), 6)
    return {
        "about": about,
        "values": values.tolist(),
        "independent": float(values.std(ddof=1) / math.sqrt(len(values))),
        "batch": batch_error(values),
    }


def dependent(draw, count, share):
    """Each value is `share` of the one before and a draw."""
    values = [draw.normal()]
    while len(values) < count:
        values.append(share * values[-1] + draw.normal())
    return numpy.array(values)


def main():
    draw = numpy.random.default_rng(5)
    cases = [
        case("two", [1, 4]),
        case("three, a batch is one", [1, 4, -2]),
        case("four", [3, -1, 4, 1.5]),
        case("a square", draw.normal(size=25)),
        case("one less", draw.exponential(size=24)),
        case("dependent", 3 + dependent(draw, 90, 0.8)),
        case("taking turns", dependent(draw, 90, -0.8)),
        case("all equal", [0.25] * 10),
    ]
    versions = f"python {platform.python_version()}, numpy {numpy.__version__}"
    with OUT.open("w", encoding="utf-8") as file:
        json.dump({"made_by": "scripts/make_statistics_goldens.py", "versions": versions, "cases": cases}, file)
        file.write("\n")


if __name__ == "__main__":
    main()
