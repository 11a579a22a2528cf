// The names that may stand in a pickle, and what each of them means to the reader.
#pragma once
#include <cstdint>
#include <string_view>

namespace gpt2run::pickle {

enum class Meaning : uint8_t {
  ordered_dict,       // a dictionary
  default_dict,       // a dictionary; its argument, what a missing key would make, is of no use
  rebuild_tensor,     // a tensor: storage, offset, shape, strides, ...
  rebuild_parameter,  // its first argument, a tensor
  size,               // its argument, a tuple
  storage,            // the element type of a storage
  settings,           // an instance with attributes
  encode,             // bytes that Python 2 can read: its first argument
  ignored,            // a value that no model needs, such as a number of numpy
};

struct Global {
  std::string_view module, name;  // an empty module: any
  Meaning meaning;
  std::string_view dtype = {};  // of a storage, as safetensors names it
  int element_bytes = 0;
};

inline constexpr Global kGlobals[] = {
    {"collections", "OrderedDict", Meaning::ordered_dict},
    {"collections", "defaultdict", Meaning::default_dict},
    {"torch._utils", "_rebuild_tensor", Meaning::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v2", Meaning::rebuild_tensor},
    {"torch._utils", "_rebuild_parameter", Meaning::rebuild_parameter},
    {"torch", "Size", Meaning::size},
    {"torch", "DoubleStorage", Meaning::storage, "F64", 8},
    {"torch", "FloatStorage", Meaning::storage, "F32", 4},
    {"torch", "HalfStorage", Meaning::storage, "F16", 2},
    {"torch", "BFloat16Storage", Meaning::storage, "BF16", 2},
    {"torch", "LongStorage", Meaning::storage, "I64", 8},
    {"torch", "IntStorage", Meaning::storage, "I32", 4},
    {"torch", "ShortStorage", Meaning::storage, "I16", 2},
    {"torch", "CharStorage", Meaning::storage, "I8", 1},
    {"torch", "ByteStorage", Meaning::storage, "U8", 1},
    {"torch", "BoolStorage", Meaning::storage, "BOOL", 1},
    {"torch.cuda", "DoubleStorage", Meaning::storage, "F64", 8},
    {"torch.cuda", "FloatStorage", Meaning::storage, "F32", 4},
    {"torch.cuda", "HalfStorage", Meaning::storage, "F16", 2},
    {"torch.cuda", "BFloat16Storage", Meaning::storage, "BF16", 2},
    {"torch.cuda", "LongStorage", Meaning::storage, "I64", 8},
    {"torch.cuda", "ByteStorage", Meaning::storage, "U8", 1},
    {"torch.cuda", "BoolStorage", Meaning::storage, "BOOL", 1},
    {"", "GPTConfig", Meaning::settings},  // nanoGPT and what came of it
    {"", "CfgNode", Meaning::settings},    // minGPT
    {"argparse", "Namespace", Meaning::settings},
    {"types", "SimpleNamespace", Meaning::settings},
    {"_codecs", "encode", Meaning::encode},
    {"torch", "device", Meaning::ignored},
    {"torch", "float64", Meaning::ignored},
    {"torch", "float32", Meaning::ignored},
    {"torch", "float16", Meaning::ignored},
    {"torch", "bfloat16", Meaning::ignored},
    {"", "PosixPath", Meaning::ignored},
    {"", "WindowsPath", Meaning::ignored},
    {"datetime", "datetime", Meaning::ignored},
    {"datetime", "timedelta", Meaning::ignored},
    {"collections", "Counter", Meaning::ignored},
    {"__builtin__", "set", Meaning::ignored},  // protocol 2 writes Python's own names as Python 2 had them
    {"builtins", "set", Meaning::ignored},
    {"__builtin__", "frozenset", Meaning::ignored},
    {"builtins", "frozenset", Meaning::ignored},
    {"__builtin__", "complex", Meaning::ignored},
    {"builtins", "complex", Meaning::ignored},
    {"__builtin__", "list", Meaning::ignored},  // these three as the argument of a defaultdict
    {"builtins", "list", Meaning::ignored},
    {"__builtin__", "dict", Meaning::ignored},
    {"builtins", "dict", Meaning::ignored},
    {"__builtin__", "int", Meaning::ignored},
    {"builtins", "int", Meaning::ignored},
    {"numpy", "dtype", Meaning::ignored},
    {"numpy.core.multiarray", "scalar", Meaning::ignored},
    {"numpy._core.multiarray", "scalar", Meaning::ignored},
};

}  // namespace gpt2run::pickle
