// Products with a packed matrix (packed.hpp) by vectors, for the instruction set that the file is compiled for. Each
// output is a sum over ascending K in blocks (blocks.hpp), and the blocks are added one by one. Its bits depend on
// nothing else, so one row gives the same as five hundred, with any of the blockings below.
#pragma once
#include "blocks.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

// Memory that will be needed soon. It is prefetched in small parts, one with each tile, because prefetching everything
// at once would delay what is needed now.
struct Prefetcher {
  uintptr_t at, end;
  int bytes;
  void advance() {
    const int part = least(bytes, static_cast<int>(end - at));
    prefetch(at, part);
    at += part;
  }
};

// The inputs of a product. They lie as they came, or packed so that those of a block are together for all rows: then
// the rows of a tile do not compete for the same lines of the first-level cache.
template <class Input>
struct Rows {
  const Input* at;
  int64_t stride, block;  // elements from a row to the next, and from a block of K to the next
  Rows from(int row) const { return {at + row * stride, stride, block}; }
};

// Adds `length` values of K for up to kGroup rows and the first `outputs` of a panel: y = x w if `first`, else y += x
// w. It goes block by block over all of these rows, so that a block of weights and the rows' inputs and sums stay in
// the L1 cache, and y is read and written once.
template <class Input, class Value>
GPT2RUN_INLINE void group(Rows<Input> x, int rows, const Value* w, int length, auto ahead, bool first, int outputs,
                          Sums<float> y, Prefetcher& prefetcher) {
  constexpr int kOutputs = kPanelOf<Input>, kLength = kBlockOf<Input>;
  alignas(64) float workspace[kGroup * kOutputs];
  const Sums<float> scratch{workspace, kOutputs};
  const bool whole = outputs == kOutputs;
  const int tiles = (rows + ahead.rows - 1) / ahead.rows, each = (rows + tiles - 1) / tiles;
  for (int r = 0; r < rows && !whole && !first; ++r)
    __builtin_memcpy(scratch.from(r).at, y.from(r).at, outputs * sizeof(float));
  for (int k = 0; k < length; k += kLength) {
    const Sums<float> after = whole && k + kLength >= length ? y : scratch;
    Sums<const float> before{scratch.at, scratch.stride};
    if (k == 0 && whole) before = {y.at, y.stride};
    if (k == 0 && first) before.at = nullptr;
    for (int r = 0; r < rows; r += each) {
      with_rows<ahead.rows>(least(each, rows - r), [&]<int kR>() {
        constexpr int kMost = kR == 1 ? kSingleVectors : kVectors;
        constexpr int kV = kMost * kWidth < kOutputs ? kMost : kOutputs / kWidth;
        prefetcher.advance();
        for (int own = r; k == 0 && whole && own < r + kR; ++own)
          prefetch(reinterpret_cast<uintptr_t>(y.from(own).at), kOutputs * sizeof(float));
        block<kR, kV>(x.at + r * x.stride + k / kLength * x.block, x.stride, w + int64_t(k) * kOutputs,
                      least(kLength, length - k), ahead, before.from(r), after.from(r));
      });
    }
  }
  for (int r = 0; r < rows && !whole; ++r) __builtin_memcpy(y.from(r).at, scratch.from(r).at, outputs * sizeof(float));
}

// Converts a segment of a panel to FP32, once for many rows instead of once for every few of them.
template <class Value>
GPT2RUN_INLINE void widen(const Value* w, int K, float* out) {
  if constexpr (kPair<Value> == 1) {
    for (int i = 0; i < K * kPanel; i += kWidth) store_vector(out + i, load_vector(w + i));
  } else {
    for (int k = 0; k < K; k += 2) {
      for (int o = 0; o < kPanel; o += kWidth) {
        Bits pair;
        __builtin_memcpy(&pair, w + (k * kPanel + o * 2), sizeof pair);
        store_vector(out + k * kPanel + o, (Vector)(pair << 16));
        if (k + 1 < K) store_vector(out + (k + 1) * kPanel + o, (Vector)(pair & 0xffff0000));
      }
    }
  }
}

// Adds `length` values of K for one panel: y = x w if `first`, else y += x w. x: (rows, length). next: the address of
// the weights that are needed after these. wide: scratch (kSegment, kPanel).
template <class Input, class Value>
void panel(Rows<Input> x, int rows, const Value* w, int length, auto ahead, uintptr_t next, bool first, int outputs,
           Sums<float> y, [[maybe_unused]] float* wide) {
  constexpr bool kWiden = sizeof(Value) == 2 && kInputs<Input> == 1 && !kTiled<Input> && ahead.bytes == 0;
  const int bytes =
      rows > kDirectRows && ahead.bytes == 0 ? length * kPanelOf<Input> * static_cast<int>(sizeof(Value)) : 0;
  const int tiles = padded(rows, kRows) / kRows * (padded(length, kBlockOf<Input>) / kBlockOf<Input>);
  Prefetcher prefetcher{next, next + bytes, padded((bytes + tiles - 1) / tiles, kLine)};
  const auto groups = [&](const auto* weights) {
    for (int r = 0; r < rows; r += kGroup)
      group(x.from(r), least(kGroup, rows - r), weights, length, ahead, first, outputs, y.from(r), prefetcher);
  };
  if constexpr (kWiden) {
    if (rows > kDirectRows) {
      widen(w, length, wide);
      return groups(reinterpret_cast<const Widened*>(wide));
    }
  }
  groups(w);
}

// Whether so many rows go as few: all of K, which must have room, panel by panel. Others are cut into segments of K.
template <class Input>
GPT2RUN_INLINE bool takes_few_rows(int rows, int K) {
  return kWidth > 4 && !kTiled<Input> && rows <= kFewRows && int64_t(rows) * padded(K, kBlock) <= kPackedElements;
}

// Calls f with the way in which this machine prefetches the weights of so many rows. The kernels ask once.
template <class Input, class Value, class F>
GPT2RUN_INLINE void with_ahead(int rows, bool few, const F& f) {
  if constexpr (sizeof(Value) == 2) {
    static const int bytes =
        prefetch_distance(this_processor().vendor, kType<Value>, order_of(Isa::GPT2RUN_CPU_ISA, kType<Value>));
    if (rows == 1 && bytes == 8192) return f(Ahead<8192, 1, 1>());
    if constexpr (std::is_same_v<Input, Split>) {
      if (rows == 1 && bytes == 2048) return f(Ahead<2048, 1, 1>());
    }
  }
  if constexpr (kWidth > 4 && !kTiled<Input>) {
    if (rows > kDirectRows && few) return f(FewAhead());
  }
  f(NotAhead());
}

// Kernels::linear (kernels.hpp). Few rows go panel by panel, which reads the weights as one stream. For many rows, a
// segment of K is packed for some of them, and stays in the second-level cache while all panels are multiplied.
template <class Input, class Value>
void product(const float* x, int rows, int64_t x_stride, const Value* w, int K, int outputs, float* y, int64_t y_stride,
             float* workspace) {
  using Layout = LayoutOf<Input, Value>;
  constexpr int kBoth = kInputs<Input>;
  auto* wide = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(workspace) + kLine - 1) / kLine * kLine);
  auto* scratch = reinterpret_cast<Input*>(workspace + kWideElements);
  constexpr int kElements = kBlockOf<Input> / kBoth;  // of a block of a row
  const bool direct = rows <= kDirectRows && kInputs<Input> == 1 && !kTiled<Input>;
  const bool few = rows <= kDirectRows || takes_few_rows<Input>(rows, K);
  const int most = few ? K : kSegment * kBoth;
  for (int from = 0; from < rows; from += kPackedRows) {
    const int count = least(kPackedRows, rows - from);
    for (int k = 0; k < K; k += most) {
      const int given = least(most, K - k), length = kTiled<Input> ? padded(given, kTileInputs) : given;
      const float* begin = x + from * x_stride + k;
      Rows<Input> inputs{reinterpret_cast<const Input*>(begin), x_stride, kElements};
      if (!direct) {
        inputs = {scratch, kElements, int64_t(count) * kElements};
        for (int b = 0; b < given; b += kBlockOf<Input>) {
          for (int r = 0; r < count; ++r)
            pack_inputs(begin + r * x_stride + b, least(kBlockOf<Input>, given - b),
                        scratch + (int64_t(b / kBlockOf<Input>) * count + r) * kElements);
        }
      }
      with_ahead<Input, Value>(rows, few, [&](auto ahead) {
        for (int o = 0; o < outputs; o += Layout::panel) {
          const Value* own = w + Layout::at(o, 0, K) + int64_t(k) * Layout::panel;
          const uintptr_t next = reinterpret_cast<uintptr_t>(own) + Layout::panel_elements(K) * sizeof(Value);
          panel(inputs, count, own, length, ahead, next, k == 0, least(Layout::panel, outputs - o),
                Sums<float>{y + from * y_stride + o, y_stride}, wide);
        }
      });
    }
  }
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
