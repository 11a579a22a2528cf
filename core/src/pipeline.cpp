#include "gpt2run/pipeline.hpp"
