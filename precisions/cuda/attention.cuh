// Attention over a slot's KV cache, in chunks of 64 positions. Chunks begin at multiples of 64 in every step, and their
// partial results are merged in ascending order. There are two kernels. For single rows, a block handles one chunk of
// one head, and the partial results come together in the shared memory of a cluster's first block, or where the chunks
// do not fit a cluster, in device memory. For rows of a prompt, a block handles a tile of queries over all chunks.
// Every sum has a single order, whatever the head size, so all of them give the same bits.
#pragma once
#include "gpt2run/sdk/cuda/cluster.hpp"
#include "plan.hpp"
#include "state.hpp"

namespace gpt2run::cuda {

inline constexpr int kAttentionThreads = 128;
inline constexpr int kGroups = kAttentionThreads / kLanes;  // groups of eight lanes; a group handles one key at a time
inline constexpr int kKeys = kChunk / kGroups;              // keys per group in a chunk

template <class Value>
struct AttentionView {
  const Value* q;  // (R, H, head)
  CacheView<Value> keys, values;
  const DeviceRow* rows;
  Value* a;        // (R, width)
  float* partial;  // (rows of the launch, H, chunks, D + 2)
  int* arrived;    // (rows of the launch, H)
  int first, D, width;
  float scale;  // of q k / sqrt(D); to divide by sqrt(D) on the host would cost the kernels registers
};

// The sum of the first kCount parts in the order of a butterfly exchange: the upper half is added to the lower half,
// repeatedly.
template <int kCount>
GPT2RUN_DEVICE float butterfly_sum(float* parts) {
  if constexpr (kCount == 1) {
    return parts[0];
  } else {
    GPT2RUN_UNROLL
    for (int i = 0; i < kCount / 2; ++i) parts[i] += parts[i + kCount / 2];
    return butterfly_sum<kCount / 2>(parts);
  }
}

// The running maximum and sum of a row's online softmax over its chunks.
struct SoftmaxState {
  float most = -INFINITY, total = 0;

  // Merges a chunk with this maximum and this sum of exponentials. old, fresh: factors for the weighted sums so far,
  // and for those of the new chunk.
  GPT2RUN_DEVICE void merge(float maximum, float weight, float& old, float& fresh) {
    const float greatest = most < maximum ? maximum : most, base = greatest == -INFINITY ? 0.0f : greatest;
    old = exponential(most - base), fresh = exponential(maximum - base);
    total = std::fma(fresh, weight, total * old), most = greatest;
  }
};

// Replaces scores (kChunk) by e^(score - maximum), and by 0 from `count` on. One warp calls it. weight: the sum of the
// exponentials, which is 0 for a chunk whose scores are all -infinity.
GPT2RUN_DEVICE void softmax_chunk(float* scores, int count, float& maximum, float& weight) {
  const float nothing = -INFINITY;
  const int t = thread_id() % kWarp;
  const float low = t < count ? scores[t] : nothing, high = t + kWarp < count ? scores[t + kWarp] : nothing;
  float most = low < high ? high : low;
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) {
    const float other = shuffle_xor(kWholeWarp, most, lanes);
    most = most < other ? other : most;
  }
  const float base = most == nothing ? 0.0f : most;
  scores[t] = t < count ? exponential(low - base) : 0.0f;
  scores[t + kWarp] = t + kWarp < count ? exponential(high - base) : 0.0f;
  float sum[1] = {scores[t] + scores[t + kWarp]};
  sum_over_lanes<kWarp>(sum);
  if (t == 0) maximum = most, weight = sum[0];
}

// One thread's part of a chunk of keys or values: its lane's vector of every line, in each of its group's kKeys rows.
// kHead is the padded head size, or 0 if it is only known at run time. If it is known, the constructor loads everything
// into registers. Rows from `count` on repeat the last one.
template <int kHead, class Value>
class Fragment {
 public:
  // rows: (count, stride)
  GPT2RUN_DEVICE Fragment(const Value* rows, int stride, int count) : rows_(rows), stride_(stride), count_(count) {
    if constexpr (kHead > 0) {
      GPT2RUN_UNROLL
      for (int i = 0; i < kKeys; ++i) {
        GPT2RUN_UNROLL
        for (int line = 0; line < kLines; ++line) held_[i][line] = load_raw(at(i) + line * kLine<Value>);
      }
    }
  }

  // out: the lane's vector of this line in each of the group's rows. line * kLine + lane must be below the stride.
  GPT2RUN_DEVICE void line(int line, Raw (&out)[kKeys]) const {
    GPT2RUN_UNROLL
    for (int i = 0; i < kKeys; ++i) {
      if constexpr (kHead > 0)
        out[i] = held_[i][line];
      else
        out[i] = load_raw(at(i) + line * kLine<Value>);
    }
  }

 private:
  static_assert(kHead % kLine<Value> == 0);
  static constexpr int kLines = kHead ? kHead / kLine<Value> : 1;

  GPT2RUN_DEVICE const Value* at(int i) const {
    const int t = thread_id() / kLanes + i * kGroups, readable = t < count_ ? t : count_ - 1;
    return rows_ + int64_t{readable} * stride_ + thread_id() % kLanes * kVector<Value>;
  }

  const Value* rows_;
  int stride_, count_;
  Raw held_[kKeys][kLines];
};

// scores (kChunk): the scaled products of q with the chunk's keys. Eight lanes compute one score. Scores from the
// fragment's `count` on are undefined.
template <int kHead, class Value>
GPT2RUN_DEVICE void score_keys(const Fragment<kHead, Value>& keys, int stride, const float* q, float scale,
                               float* scores) {
  const int lane = thread_id() % kLanes * kVector<Value>, group = thread_id() / kLanes;
  float sums[kKeys] = {};
  GPT2RUN_UNROLL
  for (int line = 0; line * kLine<Value> + lane < stride; ++line) {
    Raw raw[kKeys];
    keys.line(line, raw);
    GPT2RUN_UNROLL
    for (int i = 0; i < kKeys; ++i) {
      float key[kVector<Value>];
      widen<Value>(raw[i], key);
      GPT2RUN_UNROLL
      for (int j = 0; j < kVector<Value>; ++j) sums[i] = std::fma(q[line * kLine<Value> + lane + j], key[j], sums[i]);
    }
  }
  sum_over_lanes<kLanes>(sums);
  GPT2RUN_UNROLL
  for (int i = 0; i < kKeys; ++i)
    if (thread_id() % kLanes == 0) scores[group + i * kGroups] = sums[i] * scale;
  sync_block();
}

// Calls put(d, sum) for the D columns of the weighted sum of the chunk's values. Every group sums its own keys; then
// the groups' sums are folded. parts: (kGroups, kLine) in shared memory.
template <int kHead, class Value, class Put>
GPT2RUN_DEVICE void weighted_sum(const Fragment<kHead, Value>& values, int stride, int D, const float* weights,
                                 int count, float* parts, Put put) {
  const int lane = thread_id() % kLanes * kVector<Value>, group = thread_id() / kLanes;
  GPT2RUN_UNROLL
  for (int line = 0; line * kLine<Value> < stride; ++line) {
    float sums[kVector<Value>] = {};
    if (line * kLine<Value> + lane < stride) {
      Raw raw[kKeys];
      values.line(line, raw);
      GPT2RUN_UNROLL
      for (int i = 0; i < kKeys; ++i) {
        const int t = group + i * kGroups;
        if (t >= count) continue;
        float value[kVector<Value>];
        widen<Value>(raw[i], value);
        GPT2RUN_UNROLL
        for (int j = 0; j < kVector<Value>; ++j) sums[j] = std::fma(weights[t], value[j], sums[j]);
      }
    }
    if (line > 0) sync_block();  // the previous line has been folded
    GPT2RUN_UNROLL
    for (int j = 0; j < kVector<Value>; ++j) parts[group * kLine<Value> + lane + j] = sums[j];
    sync_block();
    const int d = line * kLine<Value> + thread_id();
    if (thread_id() >= kLine<Value> || d >= D) continue;
    float of_group[kGroups];
    GPT2RUN_UNROLL
    for (int g = 0; g < kGroups; ++g) of_group[g] = parts[g * kLine<Value> + thread_id()];
    put(d, butterfly_sum<kGroups>(of_group));
  }
}

// Where the chunks of a row and head are joined.
enum class Join {
  cluster,  // in the shared memory of the first block of a cluster, which has all blocks of the row and head
  memory,   // in device memory, by the block that finishes last
};

// Merges kCount chunks into the sum of column d. All of them are loaded before the first is used.
template <int kCount, Join kJoin>
GPT2RUN_DEVICE void merge_some(const float* chunks, int D, int d, SoftmaxState& state, float& sum) {
  const auto load = [](const float* at) { return kJoin == Join::memory ? load_fresh(at) : *at; };
  float maxima[kCount], weights[kCount], sums[kCount];
  GPT2RUN_UNROLL
  for (int i = 0; i < kCount; ++i, chunks += D + 2)
    maxima[i] = load(chunks + D), weights[i] = load(chunks + D + 1), sums[i] = load(chunks + d);
  GPT2RUN_UNROLL
  for (int i = 0; i < kCount; ++i) {
    float old, fresh;
    state.merge(maxima[i], weights[i], old, fresh);
    sum = std::fma(fresh, sums[i], sum * old);
  }
}

inline constexpr int kMostContext = 1 << 24;  // the longest context that a loader accepts

// The offset of a chunk's partial result from the first one of its head. It is unsigned: 32 bits then suffice for every
// head that fits shared memory, and 64 bits would cost the kernels registers.
GPT2RUN_HD constexpr uint32_t partial_offset(int chunk, int D) {
  return static_cast<uint32_t>(chunk) * static_cast<uint32_t>(D + 2);
}
static_assert(uint64_t{kMostContext / kChunk} * (kSharedBytes / sizeof(float) + 2) < uint64_t{1} << 32);

// Merges the chunks (count, D + 2): out (D) = their weighted sums divided by the total weight.
template <Join kJoin, class Value>
GPT2RUN_DEVICE void merge_chunks(const float* chunks, int count, int D, Value* out) {
  constexpr int kSome = 4;
  for (int d = thread_id(); d < D; d += kAttentionThreads) {
    SoftmaxState state;
    float sum = 0;
    int c = 0;
    for (; c + kSome <= count; c += kSome) merge_some<kSome, kJoin>(chunks + partial_offset(c, D), D, d, state, sum);
    for (; c < count; ++c) merge_some<1, kJoin>(chunks + partial_offset(c, D), D, d, state, sum);
    out[d] = narrow<Value>(sum / state.total);
  }
}

// blocks: of a cluster, or 0 where chunks are joined in device memory.
template <class Value>
constexpr size_t attention_bytes(int head, int D, int blocks) {
  return Shared::bytes_of<float>(head) + Shared::bytes_of<float>(kChunk) +
         Shared::bytes_of<float>(kGroups * kLine<Value>) + Shared::bytes_of<float>(2) + Shared::bytes_of<int>(1) +
         Shared::bytes_of<Inbox>(1) + Shared::bytes_of<float>(blocks * (D + 2));
}

// Attention of single rows. Grid: (chunks of the whole context, H, rows of the launch), with a cluster for each row and
// head if they join in one. Blocks of chunks beyond the row's position return at once.
template <int kHead, class Value, Join kJoin>
GPT2RUN_KERNEL(kAttentionThreads)
attention_kernel(AttentionView<Value> v) {
  wait_for_previous_kernel();
  const int head = block_y(), row = v.first + block_z(), heads = v.keys.heads;
  const int stride = kHead ? kHead : v.keys.stride;
  const int slot = v.rows[row].slot, length = v.rows[row].position + 1, chunks = divided_up(length, kChunk);
  if (block_x() >= chunks) return;
  Shared shared(shared_memory());
  [[maybe_unused]] Inbox* inbox = shared.take<Inbox>(1);
  if constexpr (kJoin == Join::cluster) {
    if (block_x() == 0 && thread_id() == 0) open_inbox(inbox, chunks * (v.D + 2) * static_cast<int>(sizeof(float)));
    arrive_cluster();
  }
  float *q = shared.take<float>(stride), *scores = shared.take<float>(kChunk);
  float *parts = shared.take<float>(kGroups * kLine<Value>), *statistics = shared.take<float>(2);
  [[maybe_unused]] int* last = shared.take<int>(1);
  const int begin = block_x() * kChunk, count = length - begin < kChunk ? length - begin : kChunk;
  const Fragment<kHead, Value> key_fragment(v.keys.at(slot, head, begin), stride, count);
  const Fragment<kHead, Value> value_fragment(v.values.at(slot, head, begin), stride, count);
  for (int d = thread_id(); d < stride; d += kAttentionThreads)
    q[d] = widen(v.q[(int64_t{row} * heads + head) * stride + d]);
  sync_block();
  score_keys(key_fragment, stride, q, v.scale / std::sqrt(static_cast<float>(v.D)), scores);
  if (thread_id() < kWarp) softmax_chunk(scores, count, statistics[0], statistics[1]);
  sync_block();

  Value* const out = v.a + int64_t{row} * v.width + head * v.D;
  if constexpr (kJoin == Join::cluster) {
    // Every block sends to the first one, which has begun once the barrier is passed.
    float* const of_head = shared.take<float>(blocks_x() * (v.D + 2));
    float* const own = of_head + partial_offset(block_x(), v.D);
    wait_cluster();
    weighted_sum(value_fragment, stride, v.D, scores, count, parts,
                 [&](int d, float sum) { send(own + d, inbox, 0, sum); });
    if (thread_id() < 2) send(own + v.D + thread_id(), inbox, 0, statistics[thread_id()]);
    if (block_x() > 0) return;
    wait_inbox(inbox);
    merge_chunks<kJoin>(of_head, chunks, v.D, out);
  } else {
    const int which = block_z() * heads + head;
    float* const of_head = v.partial + int64_t{which} * blocks_x() * (v.D + 2);
    float* const own = of_head + partial_offset(block_x(), v.D);
    weighted_sum(value_fragment, stride, v.D, scores, count, parts, [&](int d, float sum) { own[d] = sum; });
    if (thread_id() == 0) own[v.D] = statistics[0], own[v.D + 1] = statistics[1];
    // One thread counts for the whole block. The barriers order its count after the block's writes and before its
    // reads; the count itself does the same between blocks.
    sync_block();
    if (thread_id() == 0) *last = count_arrival(v.arrived + which) == chunks - 1;
    sync_block();
    if (!*last) return;
    merge_chunks<kJoin>(of_head, chunks, v.D, out);
    if (thread_id() == 0) v.arrived[which] = 0;
  }
}

inline constexpr int kTile = 16;                                      // queries per block
inline constexpr int kTileRows = kTile * kChunk / kAttentionThreads;  // queries per thread

// The shared memory of a tile: the queries, their scores, the state of each query's softmax, and one chunk, first of
// keys and then of values. The chunk's rows are padded by a vector to avoid bank conflicts.
template <class Value>
struct TileScratch {
  Value* chunk;           // (kChunk, stride + kVector)
  float *q, *scores, *a;  // (kTile, stride), (kTile, kChunk), (kTile, D)
  float *old, *fresh;     // (kTile) factors of the current chunk
  SoftmaxState* states;   // (kTile)

  GPT2RUN_DEVICE TileScratch(Shared shared, int stride, int D)
      : chunk(shared.take<Value>(kChunk * (stride + kVector<Value>))),
        q(shared.take<float>(kTile * stride)),
        scores(shared.take<float>(kTile * kChunk)),
        a(shared.take<float>(kTile * D)),
        old(shared.take<float>(kTile)),
        fresh(shared.take<float>(kTile)),
        states(shared.take<SoftmaxState>(kTile)) {}

  static constexpr size_t bytes(int stride, int D) {
    return Shared::bytes_of<Value>(kChunk * (stride + kVector<Value>)) + Shared::bytes_of<float>(kTile * stride) +
           Shared::bytes_of<float>(kTile * kChunk) + Shared::bytes_of<float>(kTile * D) +
           2 * Shared::bytes_of<float>(kTile) + Shared::bytes_of<SoftmaxState>(kTile);
  }
};

// Copies the first `count` rows of a chunk from the cache to shared memory. All threads call it, and none may still be
// reading the chunk's previous contents.
template <class Value>
GPT2RUN_DEVICE void fetch_chunk(const Value* from, int stride, int count, Value* chunk) {
  const int vectors = stride / kVector<Value>;
  for (int i = thread_id(); i < count * vectors; i += kAttentionThreads) {
    const int t = i / vectors, d = i % vectors * kVector<Value>;
    store_raw(chunk + t * (stride + kVector<Value>)+d, load_raw(from + int64_t{t} * stride + d));
  }
}

// The product of q with a key, summed in the order of score_keys' eight lanes. key(d): the key's element d.
template <int kHead, class Value, class Key>
GPT2RUN_DEVICE float score_of(const float* q, int head, Key key) {
  const int stride = kHead ? kHead : head;
  float lanes[kLanes] = {};
  GPT2RUN_UNROLL
  for (int lane = 0; lane < kLanes; ++lane) {
    GPT2RUN_UNROLL
    for (int d = lane * kVector<Value>; d < stride; d += kLine<Value>) {
      GPT2RUN_UNROLL
      for (int j = 0; j < kVector<Value>; ++j) lanes[lane] = std::fma(q[d + j], key(d + j), lanes[lane]);
    }
  }
  return butterfly_sum<kLanes>(lanes);
}

// Calls use(row, score) for the rows [row, end). If kHead is known, the key stays in registers meanwhile.
template <int kHead, class Value, class Use>
GPT2RUN_DEVICE void score_rows(const float* q, const Value* key, int head, int row, int end, Use use) {
  if constexpr (kHead > 0) {
    float own[kHead];
    GPT2RUN_UNROLL
    for (int d = 0; d < kHead; ++d) own[d] = widen(key[d]);
    for (; row < end; ++row) use(row, score_of<kHead, Value>(q + row * kHead, kHead, [&](int d) { return own[d]; }));
  } else {
    for (; row < end; ++row) use(row, score_of<0, Value>(q + row * head, head, [&](int d) { return widen(key[d]); }));
  }
}

// The sum of one column of the chunk with the weights (kChunk), in the order of weighted_sum.
GPT2RUN_DEVICE float weighted_column(const float* weights, const float (&column)[kChunk], int count) {
  float groups[kGroups] = {};
  GPT2RUN_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    GPT2RUN_UNROLL
    for (int i = 0; i < kKeys; ++i)
      if (g + i * kGroups < count) groups[g] = std::fma(weights[g + i * kGroups], column[g + i * kGroups], groups[g]);
  }
  return butterfly_sum<kGroups>(groups);
}

// Attention of a prompt's rows. Grid: (tiles, H). The rows [v.first, v.first + count) belong to one slot and are at
// successive positions.
template <int kHead, class Value>
GPT2RUN_KERNEL(kAttentionThreads)
tile_kernel(AttentionView<Value> v, int count) {
  wait_for_previous_kernel();
  const int head = block_y(), first = v.first + block_x() * kTile, end = v.first + count;
  const int rows = end - first < kTile ? end - first : kTile, stride = kHead ? kHead : v.keys.stride;
  const int slot = v.rows[first].slot, position = v.rows[first].position;
  const float scale = v.scale / std::sqrt(static_cast<float>(v.D));
  TileScratch<Value> s(Shared(shared_memory()), stride, v.D);
  for (int i = thread_id(); i < rows * stride; i += kAttentionThreads)
    s.q[i] = widen(v.q[(int64_t{first + i / stride} * v.keys.heads + head) * stride + i % stride]);
  for (int i = thread_id(); i < rows * v.D; i += kAttentionThreads) s.a[i] = 0;
  if (thread_id() < kTile) s.states[thread_id()] = SoftmaxState();

  const int column = thread_id() % kChunk, own_begin = thread_id() / kChunk * kTileRows;
  const int own_end = own_begin + kTileRows < rows ? own_begin + kTileRows : rows;
  for (int begin = 0; begin < position + rows; begin += kChunk) {
    const int most = position + rows - begin < kChunk ? position + rows - begin : kChunk;  // keys that some row needs
    const auto seen = [&](int r) { return position + r + 1 - begin < kChunk ? position + r + 1 - begin : kChunk; };
    sync_block();
    fetch_chunk(v.keys.at(slot, head, begin), stride, most, s.chunk);
    sync_block();
    if (column < most)
      score_rows<kHead>(s.q, s.chunk + column * (stride + kVector<Value>), stride, own_begin, own_end,
                        [&](int r, float score) { s.scores[r * kChunk + column] = score * scale; });
    sync_block();
    fetch_chunk(v.values.at(slot, head, begin), stride, most, s.chunk);
    for (int r = thread_id() / kWarp; r < rows; r += kAttentionThreads / kWarp) {
      if (seen(r) <= 0) continue;
      float maximum = 0, weight = 0;
      softmax_chunk(s.scores + r * kChunk, seen(r), maximum, weight);
      if (thread_id() % kWarp == 0) s.states[r].merge(maximum, weight, s.old[r], s.fresh[r]);
    }
    sync_block();
    for (int d = column; d < v.D; d += kChunk) {
      float values[kChunk];
      GPT2RUN_UNROLL
      for (int t = 0; t < kChunk; ++t) values[t] = t < most ? widen(s.chunk[t * (stride + kVector<Value>)+d]) : 0.0f;
      for (int r = own_begin; r < own_end; ++r) {
        if (seen(r) <= 0) continue;
        float& sum = s.a[r * v.D + d];
        sum = std::fma(s.fresh[r], weighted_column(s.scores + r * kChunk, values, seen(r)), sum * s.old[r]);
      }
    }
  }
  sync_block();
  for (int i = thread_id(); i < rows * v.D; i += kAttentionThreads)
    v.a[int64_t{first + i / v.D} * v.width + head * v.D + i % v.D] = narrow<Value>(s.a[i] / s.states[i / v.D].total);
}

inline constexpr int kFastHead = 64;  // the head size of every published GPT-2

// The launch of single rows: for `rows` rows, with a cluster of so many blocks for each row and head, or 0.
template <class Value>
LaunchConfig attention_config(const AttentionView<Value>& view, int rows, int chunks, int cluster,
                              const KernelStream& stream) {
  return {.name = "attention",
          .blocks = {cluster > 0 ? cluster : chunks, view.keys.heads, rows},
          .threads = kAttentionThreads,
          .shared = attention_bytes<Value>(view.keys.stride, view.D, cluster),
          .stream = stream,
          .cluster = cluster > 0 ? cluster : 1};
}

// Blocks of the cluster that joins the chunks of one row and head: their number rounded up to a power of two, as
// clusters commonly have, or 0 where the selected device has no clusters of this size.
template <class Value>
int attention_cluster(const AttentionView<Value>& view, int chunks) {
  if (chunks > kMostClusterBlocks) return 0;
  const int blocks = static_cast<int>(std::bit_ceil(static_cast<unsigned>(chunks)));
  const LaunchConfig config = attention_config(view, 1, chunks, blocks, nullptr);
  if (config.shared > kSharedBytes) return 0;
  const auto kernel = view.keys.stride == kFastHead ? attention_kernel<kFastHead, Value, Join::cluster>
                                                    : attention_kernel<0, Value, Join::cluster>;
  return most_blocks_of_cluster(config, kernel) >= blocks ? blocks : 0;
}

template <int kHead, Join kJoin, class Value>
void launch_rows(AttentionView<Value> view, const RowRange& rows, int chunks, int cluster, const KernelStream& stream) {
  for (const int end = rows.first + rows.count; view.first < end; view.first += kAttentionRows)
    launch(attention_config(view, std::min(kAttentionRows, end - view.first), chunks, cluster, stream),
           attention_kernel<kHead, Value, kJoin>, view);
}

// cluster: what attention_cluster() returns, or 0.
template <class Value>
void launch_attention(AttentionView<Value> view, const RowRange& rows, int chunks, int cluster,
                      const KernelStream& stream) {
  const int stride = view.keys.stride, heads = view.keys.heads;
  const size_t tile = TileScratch<Value>::bytes(stride, view.D);
  view.first = rows.first;
  if (rows.batched && tile <= kSharedBytes) {
    const LaunchConfig config = {
        "attention_tile", {divided_up(rows.count, kTile), heads, 1}, kAttentionThreads, tile, stream};
    if (stride == kFastHead) return launch(config, tile_kernel<kFastHead, Value>, view, rows.count);
    return launch(config, tile_kernel<0, Value>, view, rows.count);
  }
  if (stride == kFastHead && cluster > 0)
    return launch_rows<kFastHead, Join::cluster>(view, rows, chunks, cluster, stream);
  if (stride == kFastHead) return launch_rows<kFastHead, Join::memory>(view, rows, chunks, cluster, stream);
  if (cluster > 0) return launch_rows<0, Join::cluster>(view, rows, chunks, cluster, stream);
  launch_rows<0, Join::memory>(view, rows, chunks, cluster, stream);
}

}  // namespace gpt2run::cuda
