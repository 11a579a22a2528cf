#!/usr/bin/env python3
"""Makes tests/golden/quantise/quantise.json: rows as the int8 and int4 contracts of docs/numerics.md quantise them, and values
rounded to FP8 and FP4. Needs numpy and ml_dtypes; their versions are written down.

    python3 scripts/make_quantise_goldens.py

The contracts are written again here with numpy's FP32, operation by operation. Rounding to E4M3, E5M2 and E2M1 is that
of ml_dtypes. `nf4` holds the quantiles that define NF4 (Dettmers et al. 2023, QLoRA, appendix E), in double. `errors` is the RMS
error of the demo model's layer matrices in each format, relative to their RMS, with scales in double.
"""
import json
import pathlib
import platform
import statistics
import struct

import ml_dtypes
import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests" / "golden" / "quantise" / "quantise.json"
DEMO = ROOT / "models" / "demo" / "model.safetensors"
F = numpy.float32


def up_to_16_bits(x):
    return ((numpy.asarray(x, F).view(numpy.uint32) + numpy.uint32(0xFF)) & ~numpy.uint32(0xFF)).view(F)


def int8(about, row):
    row = numpy.asarray(row, F)
    largest = numpy.abs(row).max()
    scale = F(0) if largest < F(2.0**-100) else F(up_to_16_bits(largest / F(127)))
    codes = numpy.rint(row * (F(1) / scale)) if scale else 0 * row
    return {"about": about, "row": row.tolist(), "scale": float(scale), "codes": codes.astype(int).tolist()}


def int4(about, row):
    row = numpy.asarray(row, F)
    groups = [row[at : at + 32] for at in range(0, len(row), 32)]
    bounds = [(min(F(0), group.min()), max(F(0), group.max())) for group in groups]
    steps = [(high - low) / F(15) for low, high in bounds]
    scale = F(up_to_16_bits(max(steps) / F(8))) if max(steps) >= F(2.0**-100) else F(0)
    codes, factors, zeros = [], [], []
    for group, (low, _), step in zip(groups, bounds, steps):
        factor = int(numpy.clip(numpy.rint(step / scale), 1, 8)) if scale else 1
        unit = scale * F(factor)
        zero = int(numpy.clip(numpy.rint(-low / unit), 0, 15)) if scale else 0
        codes += numpy.clip(numpy.rint(group / unit) + zero, 0, 15).astype(int).tolist() if scale else [0] * len(group)
        factors.append(factor), zeros.append(zero)
    row = {"about": about, "row": row.tolist(), "scale": float(scale)}
    return row | {"codes": codes, "factors": factors, "zeros": zeros}


def rounded(values, kind, largest):
    values = numpy.clip(numpy.asarray(values, F), -largest, largest)
    return {"values": values.tolist(), "rounded": values.astype(kind).astype(F).tolist()}


def nf4():
    normal, offset = statistics.NormalDist(), (1 - 1 / 30 + 1 - 1 / 32) / 2
    below = [-normal.inv_cdf(offset + (0.5 - offset) * i / 7) for i in range(7)]
    above = [normal.inv_cdf(offset + (0.5 - offset) * i / 8) for i in range(8)]
    values = sorted([*below, 0.0, *above])
    return [value / above[0] for value in values]


def demo_matrices():
    """The matrices of the layers as (out, in)."""
    data = DEMO.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    for name, about in json.loads(data[8 : 8 + size]).items():
        if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            begin, end = (8 + size + offset for offset in about["data_offsets"])
            yield numpy.frombuffer(data[begin:end], F).reshape(about["shape"]).T.astype(numpy.float64)


def contract_int4(matrix):
    rows = [int4("", row) for row in matrix]
    steps = numpy.array([[f * row["scale"] for f in row["factors"]] for row in rows])
    codes = numpy.array([row["codes"] for row in rows]) - numpy.repeat([row["zeros"] for row in rows], 32, axis=1)
    return numpy.repeat(steps, 32, axis=1) * codes


def zero_point(group):
    low, high = numpy.minimum(0, group.min(-1, keepdims=True)), numpy.maximum(0, group.max(-1, keepdims=True))
    step = (high - low) / 15
    zero = numpy.rint(-low / step)
    return step * (numpy.clip(numpy.rint(group / step) + zero, 0, 15) - zero)


def least_value(group):
    low, step = group.min(-1, keepdims=True), numpy.ptp(group, -1, keepdims=True) / 15
    return low + step * numpy.rint((group - low) / step)


def scaled(rounding, largest):
    def of(group):
        scale = numpy.abs(group).max(-1, keepdims=True) / largest
        return scale * rounding(numpy.clip(group / scale, -largest, largest)).astype(numpy.float64)

    return of


def mx(group):
    scale = 2 ** (numpy.floor(numpy.log2(numpy.abs(group).max(-1, keepdims=True))) - 2)
    return scale * numpy.clip(group / scale, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype(numpy.float64)


def errors():
    values = numpy.array(nf4())
    in_groups = {
        "int8": (0, scaled(numpy.rint, 127)),
        "int4": (32, scaled(numpy.rint, 7)),
        "int4 on": (32, zero_point),
        "int4 least": (32, least_value),
        "e4m3": (0, scaled(lambda x: x.astype(ml_dtypes.float8_e4m3fn), 448)),
        "e5m2": (0, scaled(lambda x: x.astype(ml_dtypes.float8_e5m2), 57344)),
        "mxfp4": (32, mx),
        "nf4": (64, scaled(lambda x: values[numpy.abs(x[..., None] - values).argmin(-1)], 1)),
    }
    kinds = {"contract": contract_int4}
    for name, (group, rounding) in in_groups.items():
        kinds[name] = lambda m, g=group, f=rounding: f(m.reshape(len(m), -1, g or m.shape[1])).reshape(m.shape)
    matrices = list(demo_matrices())
    power = sum((m**2).sum() for m in matrices)
    return {name: float((sum(((f(m) - m) ** 2).sum() for m in matrices) / power) ** 0.5) for name, f in kinds.items()}


def main():
    draw = numpy.random.default_rng(13)
    normal = [round(x, 4) for x in draw.normal(size=77)]
    outlier = [*normal[:40], -31.25]
    ties = [127, *[i + 0.5 for i in range(-8, 8)]]
    tiny, edge = 2.0**-100, numpy.nextafter(F(2.0**-100), F(0))
    rows = [("normal", normal), ("an outlier", outlier), ("ties", ties), ("zeros", [0.0, -0.0, 0.0])]
    rows += [("just too small", [edge, -edge]), ("just large enough", [tiny, tiny / 3, -tiny])]
    rows += [("the greatest", [numpy.finfo(F).max, -1e38, 5e37, 1e30]), ("one", [-0.3])]
    steps = draw.normal(size=(4, 32)) * numpy.array([[1], [0.3], [0.02], [0]])
    groups = [("groups of all sizes", numpy.round(steps, 4).ravel()), ("a group cut short", normal)]
    groups += [("above zero", draw.uniform(1, 3, size=40).round(3)), ("below zero", draw.uniform(-3, -1, size=40).round(3))]
    groups += [("zeros", [0.0] * 33), ("just too small", [15 * tiny * 0.999, 0.0]), ("just large enough", [15 * tiny, 0.0])]
    values = [*(draw.normal(size=60) * 2.0 ** draw.integers(-12, 9, size=60)), 0.0, 448, 464, 0.0625, 2.0**-10, 2.0**-17]
    small = [*draw.uniform(-6, 6, size=30), 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5]
    golden = {
        "made_by": "scripts/make_quantise_goldens.py",
        "versions": f"python {platform.python_version()}, numpy {numpy.__version__}, ml_dtypes {ml_dtypes.__version__}",
        "int8": [int8(*row) for row in rows],
        "int4": [int4(*row) for row in groups],
        "e4m3": rounded(values, ml_dtypes.float8_e4m3fn, 448),
        "e5m2": rounded(values, ml_dtypes.float8_e5m2, 57344),
        "e2m1": rounded(small, ml_dtypes.float4_e2m1fn, 6),
        "nf4": nf4(),
        "errors": errors(),
    }
    OUT.parent.mkdir(exist_ok=True)
    with OUT.open("w", encoding="utf-8") as file:
        json.dump(golden, file)
        file.write("\n")


if __name__ == "__main__":
    main()
