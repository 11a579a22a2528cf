// The opcodes of pickles, protocols 2 to 5.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

namespace gpt2run::pickle {

// Those that the reader knows.
enum class Opcode : uint8_t {
  proto = 0x80,
  frame = 0x95,
  stop = '.',
  mark = '(',
  none = 'N',
  new_true = 0x88,
  new_false = 0x89,
  bin_int = 'J',
  bin_int1 = 'K',
  bin_int2 = 'M',
  long1 = 0x8a,
  long4 = 0x8b,
  bin_float = 'G',
  short_bin_string = 'U',
  bin_string = 'T',
  short_bin_bytes = 'C',
  bin_bytes = 'B',
  bin_bytes8 = 0x8e,
  short_bin_unicode = 0x8c,
  bin_unicode = 'X',
  bin_unicode8 = 0x8d,
  empty_list = ']',
  append = 'a',
  appends = 'e',
  empty_tuple = ')',
  tuple = 't',
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  empty_dict = '}',
  set_item = 's',
  set_items = 'u',
  empty_set = 0x8f,
  add_items = 0x90,
  frozen_set = 0x91,
  bin_put = 'q',
  long_bin_put = 'r',
  memoize = 0x94,
  bin_get = 'h',
  long_bin_get = 'j',
  global = 'c',
  stack_global = 0x93,
  reduce = 'R',
  new_obj = 0x81,
  build = 'b',
  bin_pers_id = 'Q',
};

// An opcode that the reader does not know, for messages: "the opcode INST", or its number.
inline std::string opcode_text(Opcode opcode) {
  constexpr std::pair<uint8_t, const char*> kNames[] = {{'i', "INST"},         {'o', "OBJ"},
                                                        {'S', "STRING"},       {'V', "UNICODE"},
                                                        {'I', "INT"},          {'L', "LONG"},
                                                        {'F', "FLOAT"},        {'P', "PERSID"},
                                                        {'p', "PUT"},          {'g', "GET"},
                                                        {'l', "LIST"},         {'d', "DICT"},
                                                        {'0', "POP"},          {'1', "POP_MARK"},
                                                        {'2', "DUP"},          {0x82, "EXT1"},
                                                        {0x83, "EXT2"},        {0x84, "EXT4"},
                                                        {0x92, "NEWOBJ_EX"},   {0x96, "BYTEARRAY8"},
                                                        {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"}};
  for (const auto& [code, name] : kNames)
    if (code == static_cast<uint8_t>(opcode)) return std::string("the opcode ") + name;
  return "a byte " + std::to_string(static_cast<int>(opcode)) + " that is none";
}

}  // namespace gpt2run::pickle
