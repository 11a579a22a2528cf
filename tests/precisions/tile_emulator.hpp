// Carries out the instructions of AMX where the processor does not have them. The processor then raises a signal, and
// its handler does what the instruction would have done. So tests can call the kernels that were compiled for AMX, on
// any processor with AVX-512, though slowly. The handler knows the instructions of HardwareTiles (tile.hpp) by their
// encodings, and checks what the processor would check. At any other instruction the program ends as without it.
#pragma once
#include "backend.hpp"
#include "tile.hpp"
#if defined(GPT2RUN_CPU_X86) && defined(__linux__)
#include <ucontext.h>

#include <csignal>
#include <cstring>
#endif

namespace gpt2run::test {

#if defined(GPT2RUN_CPU_X86) && defined(__linux__)

// The tiles of one thread.
struct EmulatedTiles {
  struct {
    uint8_t palette, first, reserved[14];
    uint16_t line[16];
    uint8_t rows[16];
  } shape{};
  uint8_t lines[8][16][64];

  template <class Number>
  Number& number(int tile, int row, int at) {
    return reinterpret_cast<Number*>(lines[tile][row])[at];
  }

  bool configure(const void* from) {
    std::memcpy(&shape, from, sizeof shape);
    std::memset(lines, 0, sizeof lines);
    for (int t = 0; t < 16; ++t)
      if (t < 8 ? shape.line[t] > 64 || shape.rows[t] > 16 : shape.line[t] || shape.rows[t]) return false;
    return shape.palette == 1 && shape.first == 0;
  }
  void release() { shape.palette = 0; }

  void load(int tile, const char* from, int64_t stride) {
    std::memset(lines[tile], 0, sizeof lines[tile]);
    for (int r = 0; r < shape.rows[tile]; ++r) std::memcpy(lines[tile][r], from + r * stride, shape.line[tile]);
  }
  void store(int tile, char* to, int64_t stride) const {
    for (int r = 0; r < shape.rows[tile]; ++r) std::memcpy(to + r * stride, lines[tile][r], shape.line[tile]);
  }

  bool fit(int s, int x, int w) const {
    return s != x && s != w && x != w && shape.rows[s] == shape.rows[x] && shape.line[s] == shape.line[w] &&
           shape.line[x] == 4 * shape.rows[w];
  }
  // TDPBSUD: inputs signed, weights unsigned.
  void dot_int8(int s, int x, int w) {
    for (int r = 0; r < shape.rows[s]; ++r) {
      for (int o = 0; o < shape.line[s] / 4; ++o) {
        for (int k = 0; k < shape.line[x]; ++k)
          number<uint32_t>(s, r, o) +=
              static_cast<uint32_t>(number<int8_t>(x, r, k) * number<uint8_t>(w, k / 4, 4 * o + k % 4));
      }
    }
  }
  // TDPBF16PS.
  void dot_bf16(int s, int x, int w) {
    using cpu::portable::flushed, cpu::portable::upper_bf16;
    for (int r = 0; r < shape.rows[s]; ++r) {
      for (int o = 0; o < shape.line[s] / 4; ++o) {
        float parts[2] = {};
        for (int k = 0; k < shape.line[x] / 2; ++k) {
          const double input = upper_bf16(uint32_t{number<uint16_t>(x, r, k)} << 16);
          const double weight = upper_bf16(uint32_t{number<uint16_t>(w, k / 2, 2 * o + k % 2)} << 16);
          parts[k % 2] = flushed(input * weight + parts[k % 2]);
        }
        float& sum = number<float>(s, r, o);
        sum = flushed(double(flushed(double(parts[0]) + parts[1])) + sum);
      }
    }
  }
};

// One instruction behind the prefix that all of them have: VEX of three bytes, 128 bits, W0, table 0F38.
class TileInstruction {
 public:
  explicit TileInstruction(const greg_t* registers)
      : registers_(registers), at_(reinterpret_cast<const uint8_t*>(registers[REG_RIP])) {
    is_known_ = at_[0] == 0xc4 && (at_[1] & 0x1f) == 2 && (at_[2] & 0x84) == 0;
    if (!is_known_) return;
    prefix_ = at_[2] & 3, third_ = ~at_[2] >> 3 & 15, code_ = at_[3], form_ = at_[4] >> 6;
    first_ = at_[4] >> 3 & 7, second_ = at_[4] & 7;
    end_ = at_ + 5;
    if (form_ != 3) read_address();
  }

  // Carries it out. Returns where the next one begins, or null if it is another instruction or a wrong one.
  const uint8_t* run(EmulatedTiles& tiles) const {
    enum { none = 0, f3 = 2, f2 = 3 };
    const auto is = [&](int prefix, int code, bool in_memory) {
      return is_known_ && prefix_ == prefix && code_ == code && (form_ != 3) == in_memory;
    };
    auto* memory = reinterpret_cast<char*>(base_);
    if (is(none, 0x49, true)) return tiles.configure(memory + step_) ? end_ : nullptr;
    if (tiles.shape.palette != 1) return nullptr;
    if (is(none, 0x49, false)) return tiles.release(), end_;
    if (is(f2, 0x49, false)) return std::memset(tiles.lines[first_], 0, sizeof tiles.lines[first_]), end_;
    if (is(f2, 0x4b, true)) return tiles.load(first_, memory, step_), end_;
    if (is(f3, 0x4b, true)) return tiles.store(first_, memory, step_), end_;
    if (third_ > 7 || !tiles.fit(first_, second_, third_)) return nullptr;
    if (is(f3, 0x5e, false)) return tiles.dot_int8(first_, second_, third_), end_;
    if (is(f3, 0x5c, false)) return tiles.dot_bf16(first_, second_, third_), end_;
    return nullptr;
  }

 private:
  int64_t value_of(int number) const {
    constexpr int kNumbers[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return registers_[kNumbers[number]];
  }
  template <class Number>
  int64_t take() {
    Number value;
    std::memcpy(&value, end_, sizeof value);
    end_ += sizeof value;
    return value;
  }
  void read_address() {
    const int base_bit = at_[1] & 0x20 ? 0 : 8, index_bit = at_[1] & 0x40 ? 0 : 8;
    int base = second_;
    if (second_ == 4) {
      const int both = static_cast<int>(take<uint8_t>()), index = (both >> 3 & 7) | index_bit;
      if (index != 4) step_ = value_of(index) * (1 << (both >> 6));
      base = both & 7;
    }
    if (form_ == 0 && base == 5) {
      base_ = take<int32_t>();
      if (second_ == 5) base_ += reinterpret_cast<int64_t>(end_);
      return;
    }
    base_ = value_of(base | base_bit);
    if (form_ == 1) base_ += take<int8_t>();
    if (form_ == 2) base_ += take<int32_t>();
  }

  const greg_t* registers_;
  const uint8_t *at_, *end_ = nullptr;
  bool is_known_;
  int prefix_ = 0, code_ = 0, form_ = 0, first_ = 0, second_ = 0, third_ = 0;
  int64_t base_ = 0, step_ = 0;
};

inline void emulate_tiles(int signal, siginfo_t*, void* context) {
  static thread_local EmulatedTiles tiles;
  greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const uint8_t* next = TileInstruction(registers).run(tiles);
  if (next)
    registers[REG_RIP] = reinterpret_cast<greg_t>(next);
  else
    std::signal(signal, SIG_DFL);
}

// Whether kernels compiled for AMX can be called: by the processor's tiles, or from the first call on by emulated ones.
inline bool can_call_tiles() {
  if (cpu::tiles_allowed()) return true;
  const cpu::Processor processor = cpu::this_processor();
  if (processor.amx || processor.amx_int8 || !processor.avx512vnni) return false;
  struct sigaction action {};
  action.sa_sigaction = emulate_tiles;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  return sigaction(SIGILL, &action, nullptr) == 0;
}

#else
inline bool can_call_tiles() { return false; }
#endif

}  // namespace gpt2run::test
