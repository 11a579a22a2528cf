#include "gpt2serve/completion.hpp"

#include <algorithm>
#include <atomic>
#include <ctime>

#include "common/prompts/prompts.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

// Requests with the same prompt read it once where they have the same group.
std::atomic<uint64_t> next_group = 1;

double milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

const char* finish_reason_of(Reason reason) {
  return reason == Reason::end_of_text || reason == Reason::stop ? "stop" : "length";
}

}  // namespace

Completion::Completion(CompletionRequest request, const ModelSet& models, std::shared_ptr<Exchange> exchange,
                       std::string command, bool log_text)
    : request_(std::move(request)),
      models_(models),
      exchange_(std::move(exchange)),
      command_(std::move(command)),
      log_text_(log_text),
      created_(std::time(nullptr)),
      choices_(request_.choices()),
      left_(choices_.size()) {
  for (size_t i = 0; i < choices_.size(); ++i) {
    choices_[i].completion = this;
    choices_[i].index = static_cast<int32_t>(i);
    choices_[i].prompt = static_cast<int32_t>(i) / request_.n;
  }
}

void Completion::run() {
  request_.engine->reserve(std::ssize(choices_));
  request_.engine->thread().post([self = shared_from_this()] { self->submit_all(); });
  exchange_->on_gone([self = shared_from_this()] { self->request_.engine->thread().post([self] { self->drop(); }); });
}

void Completion::submit_all() {
  std::shared_ptr<const Chain> chain;
  try {
    chain = request_.engine->chain_of(request_.plan);
  } catch (const std::exception& error) {
    const auto* known = dynamic_cast<const ApiError*>(&error);
    request_.engine->release(std::ssize(choices_));
    return exchange_->answer(known ? *known : ApiError(500, "engine_error", "sampler", error.what()));
  }
  if (request_.stream) exchange_->begin_stream();
  const uint64_t groups = request_.n > 1 ? next_group.fetch_add(request_.prompts.size()) : 0;
  for (Choice& choice : choices_) {
    Request request;
    try {
      request = request_of(choice);
      begin_text(choice);
    } catch (const std::exception& error) {
      request_.engine->release(1);
      choice.finish(Reason::error, {}, error.what());
      continue;
    }
    request.chain = chain;
    if (groups > 0) request.group = groups + static_cast<uint64_t>(choice.prompt);
    // The choice is part of this object, which lives as long as its listeners.
    choice.id =
        request_.engine->submit(std::move(request), std::shared_ptr<RequestListener>(shared_from_this(), &choice));
    if (error_ && !choice.is_done) request_.engine->cancel(choice.id);
  }
}

Request Completion::request_of(const Choice& choice) const {
  Request request;
  request.tokens = request_.prompts[choice.prompt].tokens;
  request.sequence = static_cast<uint64_t>(choice.index), request.seed = request_.seed;
  request.max_new = request_.max_tokens;
  request.ignore_eos = request_.ignore_eos;
  request.stops = request_.stops;
  for (const auto& values : request_.plan.values)
    request.options.push_back(values->specs().empty() ? nullptr : std::shared_ptr<const Options>(values));
  if (request_.logprobs) request.wants |= kLogprob | (*request_.logprobs > 0 ? kLogits : 0u);
  if (request_.logprobs && request_.echo) request.wants |= kPrompt;
  return request;
}

// With echo the prompt comes first. Where its log-probabilities are wanted, the engine reports it token by token.
void Completion::begin_text(Choice& choice) {
  if (!request_.echo || request_.logprobs) return;
  choice.text = text_of(request_.prompts[choice.prompt].tokens, models_.tokenizer());
  choice.characters = characters_of(choice.text);
}

void Completion::Choice::start(int64_t cached) {
  cached_tokens = cached;
  started = Clock::now();
}

void Completion::Choice::token(const TokenEvent& event) {
  const CompletionRequest& request = completion->request_;
  ModelMetrics& metrics = request.engine->metrics();
  if (event.step >= 0) {
    const Clock::time_point now = Clock::now();
    const auto seconds = [&](Clock::time_point since) { return std::chrono::duration<double>(now - since).count(); };
    if (new_tokens++ == 0) {
      metrics.first_token.add(seconds(completion->exchange_->arrival()));
      first = now;
    } else {
      metrics.token.add(seconds(last));
    }
    last = now;
  }
  if (request.logprobs) {
    TopTokens top;
    if (*request.logprobs > 0 && event.logits)
      top = top_tokens({event.logits, static_cast<size_t>(event.vocab)}, *request.logprobs);
    tokens.push_back({event.id, event.logprob, std::move(top), characters});
  }
  text += event.text;
  characters += characters_of(event.text);
  if (request.stream && (!text.empty() || !tokens.empty())) completion->send_frame(*this, false);
}

void Completion::Choice::finish(Reason why, std::string_view tail, std::string_view error) {
  text += tail;
  is_done = true, reason = why;
  if (why == Reason::error || why == Reason::cancelled) {
    const ApiError fault = completion->request_.engine->fault_of(why, std::string(error));
    return completion->end(*this, &fault);
  }
  completion->end(*this, nullptr);
}

// A choice has ended. The first error ends the others too.
void Completion::end(Choice& choice, const ApiError* error) {
  --left_;
  if (error && !error_) {
    error_ = std::make_unique<ApiError>(*error);
    cancel_all();
  }
  if (request_.stream && !error_) send_frame(choice, true);
  if (left_ > 0) return;
  if (request_.stream || error_) return answer();
  models_.long_answers().post(static_cast<size_t>(new_tokens()), exchange_->number(),
                              [self = shared_from_this()] { self->answer(); });
}

// The client has gone.
void Completion::drop() {
  if (left_ == 0) return;  // it is being answered
  exchange_->set_tokens(prompt_tokens(), new_tokens());
  exchange_->drop();
  cancel_all();
}

void Completion::cancel_all() {
  for (const Choice& choice : choices_)
    if (!choice.is_done && choice.id != 0) request_.engine->cancel(choice.id);
}

// Sends what a choice has got since its last frame.
void Completion::send_frame(Choice& choice, bool is_last) {
  JsonWriter json(-1);
  begin_document(json);
  json.key("choices");
  json.begin_list();
  write_choice(json, choice, is_last);
  json.end_list();
  if (request_.include_usage) json.field("usage", nullptr);
  end_document(json);
  if (!command_.empty()) is_command_sent_ = true;
  exchange_->frame(json.json());
  if (log_text_) choice.whole += choice.text;
  choice.text.clear(), choice.tokens.clear();
}

void Completion::answer() {
  exchange_->set_tokens(prompt_tokens(), new_tokens());
  if (log_text_)
    for (const Choice& choice : choices_) {
      const std::string& text = request_.stream ? choice.whole : choice.text;
      exchange_->add_note(in_quotes(text_of(request_.prompts[choice.prompt].tokens, models_.tokenizer())) + " -> " +
                          in_quotes(text));
    }
  if (error_) return exchange_->answer(*error_);
  JsonWriter json(-1);
  begin_document(json);
  if (request_.stream) {
    if (request_.include_usage) {
      json.key("choices");
      json.begin_list();
      json.end_list();
      write_usage(json);
      end_document(json);
      exchange_->frame(json.json());
    }
    return exchange_->end_stream();
  }
  write_list(json, "choices", choices_, [&](const Choice& choice) { write_choice(json, choice, true); });
  write_usage(json);
  end_document(json);
  exchange_->answer(json.json());
}

void Completion::begin_document(JsonWriter& json) const {
  json.begin_object();
  json.field("id", "cmpl-" + std::to_string(exchange_->number()));
  json.field("object", "text_completion");
  json.field("created", created_);
  json.field("model", request_.engine->model().id);
}

void Completion::end_document(JsonWriter& json) const {
  json.field("gpt2run_seed", request_.seed);
  if (!command_.empty() && !is_command_sent_) json.field("gpt2run_command", command_);
  json.end_object();
}

void Completion::write_choice(JsonWriter& json, const Choice& choice, bool is_last) const {
  json.begin_object();
  json.field("index", choice.index);
  json.field("text", choice.text);
  json.key("logprobs");
  if (request_.logprobs && !(choice.tokens.empty() && request_.stream))
    write_logprobs(json, choice.tokens, *request_.logprobs > 0, models_);
  else
    json.value(nullptr);
  json.key("finish_reason");
  if (!is_last) {
    json.value(nullptr);
  } else {
    json.value(finish_reason_of(choice.reason));
    json.field("gpt2run_reason", name_of(choice.reason));
    write_timings(json, choice);
  }
  json.end_object();
}

void Completion::write_timings(JsonWriter& json, const Choice& choice) const {
  const Clock::time_point arrival = exchange_->arrival();
  json.key("gpt2run_timings");
  json.begin_object();
  number_field(json, "queue_ms", milliseconds(choice.started - arrival));
  if (choice.new_tokens > 0)
    number_field(json, "first_token_ms", milliseconds(choice.first - arrival));
  else
    json.field("first_token_ms", nullptr);
  number_field(json, "total_ms", milliseconds(Clock::now() - arrival));
  const double seconds = milliseconds(choice.last - choice.first) / 1e3;
  if (choice.new_tokens > 1 && seconds > 0)
    number_field(json, "tokens_per_second", static_cast<double>(choice.new_tokens - 1) / seconds);
  else
    json.field("tokens_per_second", nullptr);
  json.end_object();
}

void Completion::write_usage(JsonWriter& json) const {
  int64_t cached = 0;
  for (const Choice& choice : choices_)
    if (choice.index % request_.n == 0) cached += choice.cached_tokens;
  json.key("usage");
  json.begin_object();
  json.field("prompt_tokens", prompt_tokens());
  json.field("completion_tokens", new_tokens());
  json.field("total_tokens", prompt_tokens() + new_tokens());
  json.key("prompt_tokens_details");
  json.begin_object();
  json.field("cached_tokens", cached);
  json.end_object();
  json.end_object();
}

int64_t Completion::prompt_tokens() const {
  int64_t count = 0;
  for (const Prompt& prompt : request_.prompts) count += std::ssize(prompt.tokens);
  return count;
}

int64_t Completion::new_tokens() const {
  int64_t count = 0;
  for (const Choice& choice : choices_) count += choice.new_tokens;
  return count;
}

}  // namespace gpt2run
