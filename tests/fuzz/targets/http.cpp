// What the server reads of a request: fields of the head, who asks, and the JSON of the body, by every kind of field.
#include "fuzz/target.hpp"
#include "gpt2serve/access.hpp"
#include "gpt2serve/api_error.hpp"
#include "gpt2serve/fields.hpp"
#include "gpt2serve/request_head.hpp"

namespace gpt2run::fuzz {
namespace {

constexpr std::string_view kNames[] = {"integer", "real", "flag", "text", "texts", "ids"};

void read_head(const std::vector<std::string>& parts) {
  RequestHead head;
  head.target = parts[0], head.transfer_encoding = parts[1], head.expect = parts[2];
  head.transfer_encodings = !parts[1].empty();
  fault_of(head);
  asks_to_continue(head);
  HttpRequest request;
  request.method = "POST", request.target = parts[0], request.host = parts[3], request.origin = parts[4];
  request.authorization = parts[5];
  static const Access access("127.0.0.1", {"model.example"}, {"https://page.example"}, {"key"});
  access.cross_origin_headers(request);
  access.check_site(request);
  access.check_key(request);
}

// The answer to a refusal is JSON with a message, whatever the request holds.
void check_answer(const ApiError& refusal) {
  const json::Document answer = json::parse(error_body(refusal), "the answer");
  answer.root().at("error").at("message").text();
}

void read_body(const std::string& body) {
  try {
    const Fields fields(body, kNames);
    fields.integer("integer", -5, 5000);
    fields.real("real", {0, 2, true});
    fields.flag("flag");
    fields.text("text");
    require(fields.texts("texts", 4).size() <= 4, "a list of texts is bounded");
    for (const int32_t id : fields.ids("ids", 100, 50257)) require(id >= 0 && id < 50257, "ids are in the vocabulary");
    if (const auto ids = fields.find("ids")) is_list_of_ids(*ids);
  } catch (const ApiError& error) {
    check_answer(error);
    throw;
  }
}

const Registration kHttp("http", [](std::string_view bytes) {
  const std::vector<std::string> parts = parts_of(bytes, 7);
  try {
    read_head(parts);
  } catch (const ApiError& error) {
    check_answer(error);
  }
  read_body(parts[6]);
});

}  // namespace
}  // namespace gpt2run::fuzz
