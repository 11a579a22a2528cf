// Sampler chains of requests: which samplers, with which options. Requests that name the same samplers share a chain
// and differ by the options of their slots.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/config/config.hpp"
#include "gpt2run/engine/request.hpp"
#include "gpt2run/sampler.hpp"
#include "gpt2run/sdk/select.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// What a request asks of sampling. A number that is not given is nothing.
struct SamplingRequest {
  std::string chain = "nucleus";  // as gpt2run's --sampler
  std::optional<double> temperature, top_p, min_p;
  std::optional<int64_t> top_k;
  std::vector<std::pair<int32_t, double>> logit_bias;  // ids and numbers
  double presence_penalty = 0, frequency_penalty = 0;
};

// What `nucleus` does for a request, with the server's defaults for what is not given.
SelectSpec select_spec_of(const SamplingRequest& request);

// A chain with the options of one request.
struct SamplerPlan {
  std::vector<const Plugin*> plugins;
  std::vector<std::shared_ptr<const OptionValues>> values;  // of each
  std::string names;                                        // the key of the chain
  std::string text;                                         // as gpt2run's --sampler takes it, with all that matters
};

// The samplers that are installed, opened once.
class SamplerCatalog {
 public:
  // Opens all samplers. One that cannot be opened, or cannot run here, is left out. model: outlives this object.
  SamplerCatalog(PluginHost& host, const ModelConfig& model);

  // The chain for logits in `space`: in that space if all its samplers are there, or else in host memory. Any thread.
  // Throws ApiError naming the field of the request.
  SamplerPlan plan(const SamplingRequest& request, Space space) const;

 private:
  std::vector<PluginSpec> specs_of(const SamplingRequest& request) const;
  // Throws Error unless the sampler takes these options, some of which only itself can judge, such as lists of token
  // ids. It asks a sampler that is kept for this.
  void check_own(const PluginSpec& spec) const;
  const Plugin* find(const std::string& name, Space space) const;

  const ModelConfig& model_;
  std::map<std::pair<std::string, Space>, const Plugin*> plugins_;
  mutable std::map<const Plugin*, std::unique_ptr<Sampler>> checkers_;  // made when they are first needed
};

// The chains of one engine. Used by the engine's thread.
class ChainCache {
 public:
  // Makes the chain if it is new. Throws ApiError if all places are taken by chains of running requests, and Error if a
  // sampler cannot be created.
  std::shared_ptr<const Chain> chain_of(const SamplerPlan& plan);

 private:
  static constexpr size_t kMost = 64;

  struct Entry {
    std::vector<std::unique_ptr<Sampler>> samplers;
    std::shared_ptr<const Chain> chain;
    uint64_t used;  // when, in the order of uses
  };
  std::map<std::string, Entry> entries_;  // by names
  uint64_t uses_ = 0;
};

}  // namespace gpt2run
