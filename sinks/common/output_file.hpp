// Where the sinks find OutputFile.
#pragma once
#include "gpt2run/output_file.hpp"
