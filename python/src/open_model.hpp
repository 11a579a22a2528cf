// A model that is open in one precision, with the one session that everything is computed in.
#pragma once
#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/evaluation/evaluation.hpp"
#include "gpt2run/engine/engine.hpp"
#include "library.hpp"

namespace gpt2run::python {

// An option of gpt2run by its name without dashes, and its value as a user would type it.
using Setting = std::pair<std::string, std::string>;

// Called between two steps of long work, without Python's lock. What it throws ends the work.
using Check = std::function<void()>;

// Rows of a step that reads a prompt, and of one whose logits are all wanted. Where prefill and decode give the same
// bits, the results do not depend on them.
inline constexpr int32_t kPromptRows = 512, kLogitRows = 64;

class OpenModel {
 public:
  // Opens model and session. settings: model, loader, precision, tokenizer, threads and device, as gpt2run has them.
  // batch: sequences at a time. context: positions of each, 0 for the model's context. Throws UsageError and Error. The
  // result deletes nothing in a forked child, where its threads are not.
  static std::shared_ptr<OpenModel> open(const std::vector<Setting>& settings, int32_t batch, int32_t context);

  const ModelConfig& config() const { return evaluation_.checkpoint().config(); }
  const Tokenizer* tokenizer() const { return evaluation_.tokenizer(); }  // null: token ids only
  const std::string& path() const { return evaluation_.model(); }
  std::string precision() const { return instance_name(evaluation_.precisions()[0]); }
  Session& session() { return *session_; }
  const Limits& limits() const { return limits_; }  // of the session
  const std::shared_ptr<PluginHost>& host() const { return host_; }

  // A weight of the files: its shape, and its values row by row, exactly. Throws Error for an unknown name or layer.
  // Any thread.
  std::pair<Shape, std::vector<float>> weight(const std::string& name, int32_t layer) const;

  // Throws Error in another process than the one that opened the model.
  void check_process() const;

 private:
  friend class Use;
  OpenModel(std::shared_ptr<PluginHost> host, const std::vector<Setting>& settings);
  void open_session(int32_t batch, int32_t context);

  std::shared_ptr<PluginHost> host_;
  Configuration configuration_;
  Evaluation evaluation_;
  std::unique_ptr<Precision> precision_;
  Limits limits_{};
  std::unique_ptr<Session> session_;
  pid_t process_;

  // Who has the session.
  std::mutex mutex_;
  std::condition_variable freed_;
  bool is_used_ = false, is_stream_ = false;
  std::thread::id user_;
};

// The right to use a model's session, from construction to destruction.
class Use {
 public:
  // Waits while another thread computes, and calls `check` meanwhile. Throws Error while a stream holds the session,
  // for a call from a sampler or a tap of the same model, and as check_process().
  Use(std::shared_ptr<OpenModel> model, bool is_stream, const Check& check);
  ~Use();
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  OpenModel& model() const { return *model_; }

 private:
  std::shared_ptr<OpenModel> model_;
};

// Such as {"--seed=7"}, for a Configuration.
std::vector<std::string> arguments_of(const std::vector<Setting>& settings);

}  // namespace gpt2run::python
