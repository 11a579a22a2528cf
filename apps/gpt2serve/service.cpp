#include "gpt2serve/service.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "gpt2run/sdk/escape.hpp"
#include "gpt2serve/comparison.hpp"
#include "gpt2serve/completion.hpp"
#include "gpt2serve/distribution.hpp"
#include "gpt2serve/layers_view.hpp"
#include "gpt2serve/page.hpp"
#include "gpt2serve/score.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr std::string_view kModelPrefix = "/v1/models/";
constexpr size_t kLongBody = 16384;  // bytes; a shorter one is read and tokenized in a moment

// Whether a field Content-Type says JSON, with or without parameters.
bool is_json(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (type.ends_with(' ')) type.pop_back();
  std::ranges::transform(type, type.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return type == "application/json";
}

// A path with its percent signs decoded, once. What is no escape, and an escaped zero byte, stays as it is.
std::string decoded(std::string_view path) {
  std::string text;
  for (size_t i = 0; i < path.size(); ++i) {
    unsigned char byte = 0;
    if (path[i] == '%' && i + 2 < path.size()) {
      const char* const end = path.data() + i + 3;
      const auto [rest, code] = std::from_chars(path.data() + i + 1, end, byte, 16);
      if (code != std::errc() || rest != end) byte = 0;
    }
    text += byte != 0 ? static_cast<char>(byte) : path[i];
    if (byte != 0) i += 2;
  }
  return text;
}

void write_model(JsonWriter& json, const ModelSet& models, const ModelEngine& engine, int64_t created) {
  const ServedModel& model = engine.model();
  const Traits& traits = model.instance.session->traits();
  json.begin_object();
  json.field("id", model.id);
  json.field("object", "model");
  json.field("created", created);
  json.field("owned_by", "gpt2run");
  json.field("precision", model.instance.name);
  json.field("space", name_of(engine.space()));
  json.field("contract", traits.contract);
  json.field("order", traits.order);
  json.field("reproducible", model.is_reproducible);
  json.field("context", models.context());
  json.field("vocabulary", models.config().V);
  json.field("layers", models.config().L);
  json.field("slots", model.limits.slots);
  json.field("start_of_text", models.start_of_text());
  json.field("end_of_text", models.config().end_of_text);
  json.field("has_tokenizer", models.tokenizer() != nullptr);
  json.field("has_taps", model.has_taps);
  json.field("has_floor", models.floor_of(engine) != nullptr);
  json.end_object();
}

}  // namespace

// A path that ends in * stands for all that begin so.
struct Service::Route {
  std::string_view method, path;
  void (Service::*handler)(const std::shared_ptr<Exchange>&);
  bool needs_key = true;
};

const Service::Route Service::kRoutes[] = {
    {"GET", "/", &Service::page, false},           {"GET", "/healthz", &Service::health, false},
    {"GET", "/metrics", &Service::metrics},        {"GET", "/v1/models", &Service::list_models},
    {"GET", "/v1/models/*", &Service::show_model}, {"POST", "/v1/completions", &Service::complete},
    {"POST", "/v1/tokenize", &Service::tokenize},  {"POST", "/v1/detokenize", &Service::detokenize},
    {"POST", "/v1/score", &Service::score},        {"POST", "/v1/distribution", &Service::distribution},
    {"POST", "/v1/compare", &Service::compare},    {"POST", "/v1/layers", &Service::layers},
};

Service::Service(const ModelSet& models, const CommandLines& commands, const ServeOptions& options, Metrics& metrics)
    : models_(models),
      commands_(commands),
      options_(options),
      metrics_(metrics),
      access_(options.host, options.names, options.origins, options.keys),
      started_(std::time(nullptr)) {}

void Service::handle(HttpRequest request, std::shared_ptr<Reply> reply) {
  request.target = decoded(request.target);
  const auto exchange = std::make_shared<Exchange>(next_number_++, std::move(request), std::move(reply), metrics_);
  exchange->set_route("other");
  const size_t size = exchange->request().body.size();
  if (size <= kLongBody) return answer(exchange);
  const uint64_t number = exchange->number();
  exchange->on_gone([this, exchange, size, number] {
    if (long_requests_.drop(size, number)) exchange->drop();
  });
  long_requests_.post(size, number, [this, exchange] { answer(exchange); });
}

void Service::answer(const std::shared_ptr<Exchange>& exchange) {
  try {
    access_.check_site(exchange->request());
    exchange->add_headers(access_.cross_origin_headers(exchange->request()));
    dispatch(exchange);
  } catch (const ApiError& error) {
    exchange->answer(error);
  } catch (const std::bad_alloc&) {
    exchange->answer(ApiError(500, "engine_error", "", "not enough memory for this request"));
  } catch (const std::exception& error) {
    exchange->answer(ApiError(500, "engine_error", "", error.what()));
  }
}

std::string Service::refusal(int status, const std::string& why, const std::string& client) {
  metrics_.count_request("other", status);
  log_info(std::string("#") + std::to_string(next_number_++) + " " + client + " " + std::to_string(status) +
           ", not read: " + why);
  return error_body(ApiError(status, status == 413 ? "body_too_large" : "", "", why));
}

void Service::dispatch(const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  const auto is_meant = [&](const Route& route) {
    return route.path.ends_with('*') ? request.target.starts_with(route.path.substr(0, route.path.size() - 1))
                                     : request.target == route.path;
  };
  const Route* const route = std::ranges::find_if(kRoutes, is_meant);
  if (route == std::end(kRoutes))
    throw ApiError(404, "route_not_found", "",
                   "expected a route of docs/server.md, found " + in_quotes(request.target));
  exchange->set_route(std::string(route->path));
  if (request.method == "OPTIONS" && !request.requested_method.empty()) return answer_preflight(exchange);
  const bool is_head = request.method == "HEAD" && route->method == "GET";  // the answer leaves the body away
  if (request.method != route->method && !is_head) {
    exchange->add_headers({{"Allow", route->method == "GET" ? "GET, HEAD" : "POST"}});
    throw ApiError(
        405, "method_not_allowed", "",
        std::string(route->path) + ": expected " + std::string(route->method) + ", found " + in_quotes(request.method));
  }
  if (route->needs_key) access_.check_key(request);
  if (route->method == "POST") {
    if (!is_json(request.content_type))
      throw ApiError(415, "content_type", "",
                     "Content-Type: expected application/json, found " + in_quotes(request.content_type));
    if (is_draining_) throw shutting_down();
  }
  (this->*route->handler)(exchange);
}

// What a browser asks before it sends a request from a page of another origin. A page of no named origin was refused
// before.
void Service::answer_preflight(const std::shared_ptr<Exchange>& exchange) const { exchange->answer(204, "", ""); }

void Service::page(const std::shared_ptr<Exchange>& exchange) {
  exchange->add_headers({{"Content-Security-Policy", std::string(page_policy())}, {"Referrer-Policy", "no-referrer"}});
  exchange->answer(200, "text/html; charset=utf-8", std::string(page_document()));
}

void Service::health(const std::shared_ptr<Exchange>& exchange) {
  const char* status = models_.is_failed() ? "failed" : is_draining_ ? "draining" : "ok";
  const bool is_well = status == std::string_view("ok");
  exchange->answer(is_well ? 200 : 503, "application/json", std::string("{\"status\": \"") + status + "\"}");
}

void Service::metrics(const std::shared_ptr<Exchange>& exchange) {
  const size_t open = connections_ ? connections_() : 0;
  exchange->answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text(static_cast<int64_t>(open)));
}

void Service::list_models(const std::shared_ptr<Exchange>& exchange) {
  JsonWriter json(-1);
  json.begin_object();
  json.field("object", "list");
  write_list(json, "data", models_.engines(),
             [&](const auto& engine) { write_model(json, models_, *engine, started_); });
  json.end_object();
  exchange->answer(json.json());
}

void Service::show_model(const std::shared_ptr<Exchange>& exchange) {
  const std::string name = exchange->request().target.substr(kModelPrefix.size());
  JsonWriter json(-1);
  write_model(json, models_, models_.find(name.empty() ? "?" : name), started_);
  exchange->answer(json.json());
}

void Service::complete(const std::shared_ptr<Exchange>& exchange) {
  CompletionRequest request = parse_completion(exchange->request().body, models_, options_.queue);
  const std::string command = request.command ? commands_.of(request) : "";
  std::make_shared<Completion>(std::move(request), models_, exchange, command, options_.log_text)->run();
}

void Service::tokenize(const std::shared_ptr<Exchange>& exchange) {
  constexpr std::string_view kFields[] = {"model", "input", "special"};
  const Fields fields(exchange->request().body, kFields);
  models_.find(fields.text("model").value_or(""));
  const std::optional<std::string> text = fields.text("input");
  if (!text) refuse("input", "expected a text, found none");
  JsonWriter json(-1);
  json.begin_object();
  write_tokens(json, models_.encoded(*text, "input", fields.flag("special").value_or(true)), models_);
  json.end_object();
  exchange->answer(json.json());
}

void Service::detokenize(const std::shared_ptr<Exchange>& exchange) {
  constexpr std::string_view kFields[] = {"model", "token_ids"};
  const Fields fields(exchange->request().body, kFields);
  models_.find(fields.text("model").value_or(""));
  if (!models_.tokenizer()) refuse("token_ids", "the model has no tokenizer");
  if (!fields.find("token_ids")) refuse("token_ids", "expected a list of token ids, found none");
  JsonWriter json(-1);
  json.begin_object();
  json.field("text", models_.tokenizer()->decode(fields.ids("token_ids", SIZE_MAX, models_.tokenizer()->size())));
  json.end_object();
  exchange->answer(json.json());
}

void Service::score(const std::shared_ptr<Exchange>& exchange) { run_score(models_, exchange); }

void Service::distribution(const std::shared_ptr<Exchange>& exchange) {
  run_distribution(models_, commands_, exchange);
}

void Service::compare(const std::shared_ptr<Exchange>& exchange) {
  run_comparison(models_, commands_, evaluations_, exchange);
}

void Service::layers(const std::shared_ptr<Exchange>& exchange) {
  run_layers(models_, commands_, evaluations_, exchange);
}

}  // namespace gpt2run
