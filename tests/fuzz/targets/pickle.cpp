// The reader of pickles alone: what it builds is walked through.
#include "gpt2run/pickle/pickle.hpp"

#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kPickle("pickle", [](std::string_view bytes) {
  const pickle::Pickle found = pickle::read_pickle(bytes, "input");
  require(found.bytes <= bytes.size(), "a pickle ends within its bytes");
  size_t left = 100'000;
  for (const auto& container : found.containers) {
    for (const pickle::Value& value : container) {
      if (left-- == 0) return;
      pickle::name_of(value.kind);
      found.items(value);
      found.find(value, "model");
      if (value.kind == pickle::Kind::text || value.kind == pickle::Kind::number) std::string(value.view());
      if (value.kind == pickle::Kind::tensor)
        require(found.tensors.at(value.index).storage < found.storages.size(), "a tensor has its storage");
    }
  }
});

}  // namespace
}  // namespace gpt2run::fuzz
