#include "gpt2run/tokenizer.hpp"
