#include "gpt2serve/api_error.hpp"

#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

const char* type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

void field_or_null(JsonWriter& json, std::string_view name, const std::string& text) {
  text.empty() ? json.field(name, nullptr) : json.field(name, text);
}

}  // namespace

std::string error_body(const ApiError& error) {
  JsonWriter json(-1);
  json.begin_object();
  json.key("error");
  json.begin_object();
  json.field("message", error.what());
  json.field("type", type_of(error.status));
  field_or_null(json, "param", error.param);
  field_or_null(json, "code", error.code);
  json.end_object();
  json.end_object();
  return json.json();
}

}  // namespace gpt2run
