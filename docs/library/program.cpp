// program PLUGINS MODEL: continues three prompts with the engine of gpt2run::core, and cancels one of them.
// PLUGINS: the folder lib/gpt2run of an installed gpt2run. MODEL: a folder with a model of Hugging Face.
#include <dlfcn.h>

#include <iostream>
#include <map>

#include "gpt2run/engine/engine.hpp"

namespace {

// The options of a plugin, all with the values that it declares as defaults.
class Defaults final : public gpt2run::Options {
 public:
  explicit Defaults(const gpt2run::Plugin& plugin) : specs_(plugin.options, plugin.option_count) {}
  double real(const char* key) const override { return std::stod(std::string(text(key))); }
  int64_t integer(const char* key) const override { return std::stoll(std::string(text(key))); }
  bool flag(const char* key) const override { return text(key) == "on"; }
  std::string_view text(const char* key) const override {
    for (const gpt2run::OptionSpec& spec : specs_)
      if (std::string_view(spec.key) == key) return spec.fallback;
    gpt2run::fail("no option ", key);
  }

 private:
  std::span<const gpt2run::OptionSpec> specs_;
};

void log(int level, const char* message) {
  if (level > 0) std::cerr << message << '\n';
}
constexpr gpt2run::Host kHost = {log};

// Opens the plugin in `file`, which stays loaded, and makes its object: T is the interface of the kind.
template <class T>
std::unique_ptr<T> make(const std::string& file, gpt2run::Kind kind) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) gpt2run::fail(dlerror());
  const auto* plugin = static_cast<const gpt2run::Plugin*>(dlsym(library, "gpt2run_plugin"));
  if (!plugin) gpt2run::fail(file, ": not a plugin of gpt2run");
  if (plugin->abi != gpt2run::kAbi || std::string_view(plugin->tag) != gpt2run::kTag || plugin->kind != kind)
    gpt2run::fail(file, ": made for another version, standard library or kind");
  if (const gpt2run::Probe probe = plugin->probe(); probe.score == 0) gpt2run::fail(file, ": ", probe.reason);
  return std::unique_ptr<T>(static_cast<T*>(plugin->create(Defaults(*plugin), kHost)));
}

// Collects the text of each request, and writes it when the request ends.
class Printer final : public gpt2run::Listener {
 public:
  gpt2run::Engine* engine = nullptr;
  gpt2run::RequestId unwanted = 0;  // cancelled after its third token

  void token(gpt2run::RequestId id, const gpt2run::TokenEvent& event) override {
    texts_[id] += event.text;
    if (id == unwanted && event.step == 2) engine->cancel(id);
  }

  void finish(gpt2run::RequestId id, gpt2run::Reason reason, std::string_view tail, std::string_view error) override {
    std::cout << id << " (" << name_of(reason) << "):" << texts_[id] << tail << error << '\n';
    texts_.erase(id);
  }

 private:
  std::map<gpt2run::RequestId, std::string> texts_;
};

void run(const std::string& plugins, const std::string& model) {
  const auto loader = make<gpt2run::Loader>(plugins + "/gpt2run-loader-huggingface.so", gpt2run::Kind::loader);
  const auto checkpoint = loader->open(model.c_str());
  if (!checkpoint->tokenizer()) gpt2run::fail(model, ": expected a tokenizer beside the model");
  const auto tokenizer = gpt2run::Tokenizer::open(checkpoint->tokenizer());

  // Two requests at a time, each of up to 64 positions. All memory for weights and activations is allocated here.
  const gpt2run::EngineOptions options;
  const gpt2run::Limits limits = gpt2run::engine_limits(options, 2, 64, false);
  const auto precision = make<gpt2run::Precision>(plugins + "/gpt2run-precision-cpu-fp32.so", gpt2run::Kind::precision);
  const auto session = precision->open(*checkpoint, limits);

  const auto sampler = make<gpt2run::Sampler>(plugins + "/gpt2run-sampler-argmax.so", gpt2run::Kind::sampler);
  const auto chain = std::make_shared<gpt2run::Chain>();
  chain->samplers = {sampler.get()};

  Printer printer;
  gpt2run::Engine engine(*session, checkpoint->config(), limits, options, chain, tokenizer.get(), printer);
  printer.engine = &engine;
  for (const char* prompt : {"Once upon a time", "The old king", "In a village"}) {
    gpt2run::Request request;
    request.tokens = tokenizer->encode(prompt);
    request.max_new = 8;
    printer.unwanted = engine.submit(std::move(request));  // the last one, in the end
  }
  while (engine.step()) {
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count != 3) gpt2run::fail("usage: program PLUGINS MODEL");
    run(arguments[1], arguments[2]);
  } catch (const std::exception& error) {
    std::cerr << "program: error: " << error.what() << '\n';
    return 1;
  }
}
