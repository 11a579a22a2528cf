// Looks through the dictionaries of a checkpoint.
#include "model_dict.hpp"

#include <algorithm>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::torch {
namespace {

// Whether it has the tensors of a model by name: checkpoints have single tensors of other names too, such as a loss.
bool is_weights(const Pickle& pickle, const Value& value) {
  if (value.kind != Kind::dict) return false;
  const auto items = pickle.items(value);
  for (size_t i = 0; i + 1 < items.size(); i += 2)
    if (items[i].kind == Kind::text && items[i].view().ends_with(".weight") && items[i + 1].kind == Kind::tensor)
      return true;
  return false;
}

// Where a model's weights stand, one or two dictionaries down, as Python writes it: ["net"], ["state"]["net"]. Empty if
// there are none. budget: how many values are looked at.
std::string place_of_weights(const Pickle& pickle, const Value& dict, int levels, size_t& budget) {
  if (dict.kind == Kind::list || levels == 0) return "";
  const auto items = pickle.items(dict);
  for (size_t i = 0; i + 1 < items.size() && budget > 0; i += 2, --budget) {
    if (items[i].kind != Kind::text) continue;
    const bool is_here = is_weights(pickle, items[i + 1]);
    const std::string below = is_here ? "" : place_of_weights(pickle, items[i + 1], levels - 1, budget);
    if (is_here || !below.empty())
      return std::string(1, '[').append(in_quotes(items[i].view())).append("]").append(below);
  }
  return "";
}

// The first keys of a dictionary, for messages.
std::string keys_of(const Pickle& pickle, const Value& dict) {
  constexpr size_t kMostShown = 5;
  std::string keys;
  const auto items = pickle.items(dict);
  const size_t count = items.size() / 2;
  for (size_t i = 0; i < std::min(count, kMostShown); ++i) {
    keys += i ? ", " : "";
    keys += items[2 * i].kind == Kind::text ? in_quotes(items[2 * i].view()) : name_of(items[2 * i].kind);
  }
  return keys + (count > kMostShown ? ", ..." : "");
}

[[noreturn]] void refuse(const TorchFile& file) {
  const Pickle& pickle = file.pickle();
  const Value& root = pickle.root;
  if (root.kind != Kind::dict && root.kind != Kind::object)
    fail(file.path(), ": expected the weights of a model, found a ", name_of(root.kind));
  size_t budget = 1000;
  if (const std::string place = place_of_weights(pickle, root, 2, budget); !place.empty())
    fail(file.path(),
         ": expected the weights of a model as the object itself or under \"model\", \"state_dict\" or "
         "\"model_state_dict\", found them under ",
         place, ": save them alone: torch.save(checkpoint", place, ", \"pytorch_model.bin\") in Python");
  const bool is_optimizer = pickle.find(root, "optimizer") || pickle.find(root, "optimizer_state_dict") ||
                            (pickle.find(root, "state") && pickle.find(root, "param_groups"));
  if (is_optimizer)
    fail(file.path(), ": expected the weights of a model, found the state of an optimizer only (",
         keys_of(pickle, root), "): the weights are in another file");
  if (pickle.items(root).empty()) fail(file.path(), ": expected the weights of a model, found an empty dictionary");
  fail(file.path(),
       ": expected the weights of a model, found a file of PyTorch with a dictionary that has no tensors of a model; "
       "its "
       "keys: ",
       keys_of(pickle, root));
}

}  // namespace

ModelDict find_model(const TorchFile& file) {
  const Pickle& pickle = file.pickle();
  ModelDict model{};
  const auto find_weights = [&] {
    if (is_weights(pickle, pickle.root)) return pickle.root;
    for (const char* key : {"model", "state_dict", "model_state_dict"})
      if (const auto value = pickle.find(pickle.root, key); value && is_weights(pickle, *value)) return *value;
    refuse(file);
  };
  model.weights = find_weights();
  for (const char* key : {"model_args", "config"}) {
    const auto value = pickle.find(pickle.root, key);
    if (!value || (value->kind != Kind::dict && value->kind != Kind::object)) continue;
    model.settings = value;
    model.is_nanogpt = key == std::string_view("model_args");
    break;
  }
  return model;
}

void add_tensors(loaders::StoredTensors& tensors, const TorchFile& file, const ModelDict& model) {
  const auto items = file.pickle().items(model.weights);
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].kind != Kind::text || items[i + 1].kind != Kind::tensor) continue;
    const std::string_view name = items[i].view();
    tensors.add(name, file.tensor(items[i + 1], name));
  }
}

Arguments read_arguments(const TorchFile& file, const Value& settings) {
  const Pickle& pickle = file.pickle();
  const auto integer = [&](const char* key) -> std::optional<int64_t> {
    const auto value = pickle.find(settings, key);
    if (!value || value->kind == Kind::none) return std::nullopt;
    if (value->kind != Kind::integer)
      fail(file.path(), ": ", key, ": expected a whole number, found a ", name_of(value->kind));
    return value->integer;
  };
  Arguments arguments{integer("n_layer"),    integer("n_head"),     integer("n_embd"),
                      integer("block_size"), integer("vocab_size"), ""};
  if (const auto type = pickle.find(settings, "model_type"); type && type->kind == Kind::text)
    arguments.model_type = type->view();
  return arguments;
}

}  // namespace gpt2run::torch
