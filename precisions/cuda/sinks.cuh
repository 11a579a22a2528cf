// Where the products of a layer write their sums, and what they add to them or apply first.
#pragma once
#include "activations.cuh"
#include "state.hpp"

namespace gpt2run::cuda {

// The destination of a product with the 3C outputs q, k and v. q is written to the activations, k and v to the KV
// cache.
template <class Value>
struct QkvTarget {
  Value* q;  // (R, H, head)
  CacheView<Value> keys, values;
  const DeviceRow* rows;
  int C, D;

  GPT2RUN_DEVICE void operator()(int row, int output, Value value) const {
    put(row, output, rows[row].slot, rows[row].position, value);
  }
  // slot, position: those of the row.
  GPT2RUN_DEVICE void put(int row, int output, int slot, int position, Value value) const {
    const int part = output / C, head = output % C / D, d = output % D;
    if (part == 0) {
      q[(int64_t{row} * keys.heads + head) * keys.stride + d] = value;
    } else {
      (part == 1 ? keys : values).at(slot, head, position)[d] = value;
    }
  }
};

// Sinks of products. read() loads what put() needs in addition to the sum.
template <class Value>
struct QkvSink {
  const float* bias;  // (3C)
  QkvTarget<Value> target;

  struct Read {
    float bias;
    int32_t slot, position;
  };
  GPT2RUN_DEVICE Read read(int row, int output) const {
    return {bias[output], target.rows[row].slot, target.rows[row].position};
  }
  GPT2RUN_DEVICE void put(int row, int output, float sum, const Read& read) const {
    target.put(row, output, read.slot, read.position, narrow<Value>(sum + read.bias));
  }
  GPT2RUN_DEVICE void operator()(int row, int output, float sum) const { put(row, output, sum, read(row, output)); }
};

struct AddSink {
  const float* bias;  // (C)
  float* x;           // (R, stride)
  int stride;

  struct Read {
    float bias, x;
  };
  GPT2RUN_DEVICE Read read(int row, int output) const { return {bias[output], x[int64_t{row} * stride + output]}; }
  GPT2RUN_DEVICE void put(int row, int output, float sum, const Read& read) const {
    x[int64_t{row} * stride + output] = read.x + (sum + read.bias);
  }
};

template <class Value>
struct GeluSink {
  const float* bias;  // (F)
  Value* h;           // (R, width)
  int width;

  struct Read {
    float bias;
  };
  GPT2RUN_DEVICE Read read(int, int output) const { return {bias[output]}; }
  GPT2RUN_DEVICE void put(int row, int output, float sum, const Read& read) const {
    h[int64_t{row} * width + output] = narrow<Value>(gelu(sum + read.bias));
  }
  GPT2RUN_DEVICE void operator()(int row, int output, float sum) const { put(row, output, sum, read(row, output)); }
};

// As GeluSink, for any other activation function, which is chosen at run time. GELU has a sink of its own, so that its
// kernels carry no code for the others.
template <class Value>
struct ActivationSink {
  const float* bias;  // (F)
  Value* h;           // (R, width)
  int width;
  Activation activation;

  struct Read {
    float bias;
  };
  GPT2RUN_DEVICE Read read(int, int output) const { return {bias[output]}; }
  GPT2RUN_DEVICE void put(int row, int output, float sum, const Read& read) const {
    h[int64_t{row} * width + output] = narrow<Value>(activated(activation, sum + read.bias));
  }
  GPT2RUN_DEVICE void operator()(int row, int output, float sum) const { put(row, output, sum, read(row, output)); }
};

}  // namespace gpt2run::cuda
