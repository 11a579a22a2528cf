// ApiError: a refusal that a client gets as an error object of OpenAI's form.
#pragma once
#include <sstream>
#include <string>

#include "gpt2run/error.hpp"

namespace gpt2run {

struct ApiError : Error {
  // status: of HTTP. code and param: empty for null.
  ApiError(int http_status, std::string fault, std::string field, const std::string& message)
      : Error(message), status(http_status), code(std::move(fault)), param(std::move(field)) {}

  int status;
  std::string code, param;
};

// What requests get that are not carried out because the server ends.
inline ApiError shutting_down() { return {503, "shutting_down", "", "the server is shutting down"}; }

// Throws the ApiError "PARAM: ..." with status 400 for a wrong field of a request.
template <class... Parts>
[[noreturn]] void refuse(const std::string& param, const Parts&... parts) {
  std::ostringstream line;
  line << param << ": ";
  (line << ... << parts);
  throw ApiError(400, "", param, line.str());
}

// The JSON of the answer: {"error": {"message", "type", "param", "code"}}.
std::string error_body(const ApiError& error);

}  // namespace gpt2run
