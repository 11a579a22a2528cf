// Where the model is that --model names. A path is taken as it is; a folder of Hugging Face's cache, or a name whose
// folder is in it, stands for the snapshot that is checked out there. Nothing is downloaded.
#pragma once
#include <string>

namespace gpt2run {

// given: a path, a name on Hugging Face's hub such as "gpt2" or "openai-community/gpt2-medium", or a name that only a
// loader knows. Returns the path of the snapshot, which is logged, for a folder of the cache (models--ORG--NAME) and
// for a name that is in the cache: HF_HUB_CACHE, or HF_HOME/hub, or ~/.cache/huggingface/hub. Whatever exists under the
// name itself comes before the cache. Returns anything else unchanged. Throws Error for a folder of the cache without a
// snapshot, or with several of which refs/main names none.
std::string model_path(const std::string& given);

// What to say of a model that is nowhere, after "model NAME: no such file or folder": that the cache does not have it
// either, and how to get it. Empty for what is no name on the hub.
std::string how_to_get(const std::string& name);

}  // namespace gpt2run
