// The page that GET / answers with. Its sources are in the folder page, and page/join.cmake makes them one document.
#pragma once
#include <string_view>

namespace gpt2run {

// One HTML document in UTF-8, with its style and its script in it.
std::string_view page_document();

// The value of its header Content-Security-Policy, which lets a browser run this style and this script alone, and send
// requests to this server alone.
std::string_view page_policy();

}  // namespace gpt2run
