// What the sources of the extension module share. It is the only header that knows nanobind.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <utility>
#include <vector>

#include "open_model.hpp"

namespace gpt2run::python {

// A model as Python holds it.
struct Model {
  std::shared_ptr<OpenModel> open;
};

// An array of numpy that owns these values, in the shape given or else in one dimension.
template <class T>
nanobind::object to_array(std::vector<T> values, std::vector<size_t> shape = {}) {
  if (shape.empty()) shape = {values.size()};
  if (values.capacity() == 0) values.reserve(1);  // numpy wants an address for an empty array, too
  auto* kept = new std::vector<T>(std::move(values));
  const nanobind::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nanobind::cast(nanobind::ndarray<nanobind::numpy, T>(kept->data(), shape.size(), shape.data(), owner),
                        nanobind::rv_policy::reference);
}

// Adds runs, scores and taps to the module (runs.cpp).
void bind_runs(nanobind::module_& m);

}  // namespace gpt2run::python
