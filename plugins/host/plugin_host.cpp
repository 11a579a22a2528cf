#include "host/plugin_host.hpp"
