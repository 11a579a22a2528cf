// gpt2serve: keeps a model loaded and answers requests over HTTP. Its address goes to standard output, messages to
// standard error. Exit codes: 0 after a signal that asks it to end, 2 for a wrong command line, 1 for any other error.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "common/config/create.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/program.hpp"
#include "gpt2serve/server_log.hpp"
#include "gpt2serve/service.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPause{20};

// Lets the process open as many files as the connections need, as far as the system allows.
void allow_files(size_t connections) {
  constexpr rlim_t kOthers = 256;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = connections + kOthers;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted)
    log_warning("--connections " + std::to_string(connections) + ": the system allows this process " +
                std::to_string(limit.rlim_cur) + " open files");
}

// Lets running requests end, then cancels the rest.
void drain(HttpServer& server, Service& service, ModelSet& models, int32_t seconds) {
  log_info("ending: " + std::to_string(models.live()) + " completions run or wait, they get " +
           std::to_string(seconds) + " seconds");
  service.drain();
  server.drain();
  const auto wait = [&](std::chrono::milliseconds most) {
    for (const auto end = Clock::now() + most; Clock::now() < end; std::this_thread::sleep_for(kPause))
      if (models.live() == 0 && server.busy() == 0) return;
  };
  wait(std::chrono::seconds(seconds));
  if (models.live() == 0 && server.busy() == 0) return;
  constexpr std::chrono::milliseconds kLast{500};  // for the last answers
  service.refuse_waiting();
  models.cancel_all();
  wait(kLast);
}

void serve(PluginHost& host, Configuration& configuration) {
  const ServeOptions options = serve_options_of(configuration);
  allow_files(options.http.most_connections);
  BoundSocket socket(options.host, options.port);  // before the model is loaded, which takes longer
  constexpr int kLastAnswers = 5;                  // seconds beside those of --drain
  watch_interrupts(options.drain + kLastAnswers);
  Metrics metrics;
  ModelSet models(host, configuration, options, metrics);
  const CommandLines commands(configuration, models.evaluation().model());
  const ServerLog log;  // from here on, as requests must not wait for a reader of the log
  Service service(models, commands, options, metrics);
  HttpServer server(
      socket, options.http,
      [&](HttpRequest request, std::shared_ptr<Reply> reply) { service.handle(std::move(request), std::move(reply)); },
      [&](int status, const std::string& why, const std::string& client) {
        return service.refusal(status, why, client);
      });
  service.count_connections([&] { return server.connections(); });
  if (!server.is_loopback())
    log_warning("--host " + options.host + ": others than this machine can reach the server" +
                (options.keys.empty() ? ", and it takes no keys (--api-key-file)" : ""));
  print("http://" + server.address() + "\n");
  while (!interrupted()) std::this_thread::sleep_for(kPause);
  drain(server, service, models, options.drain);
  server.stop();
  service.stop();
  models.stop();
}

int start(std::vector<std::string> arguments) {
  const std::vector<CoreOption> options = serve_options();
  Configuration configuration(options, std::move(arguments));
  set_quiet(configuration.values().flag("quiet"));
  if (configuration.values().flag("help")) {
    print("usage: gpt2serve [--model M] [--precision P,Q,...] [--host ADDRESS] [--port N] [options]\n\n" +
          help_of(configuration.core()));
    return 0;
  }
  PluginHost host = plugin_host(configuration);
  serve(host, configuration);
  return 0;
}

}  // namespace
}  // namespace gpt2run

int main(int count, char** arguments) { return gpt2run::run_main("gpt2serve", count, arguments, gpt2run::start); }
