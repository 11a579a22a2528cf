#include "python_lock.hpp"

#include <nanobind/nanobind.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "gpt2run/error.hpp"

namespace gpt2run::python {
namespace {

using namespace std::chrono_literals;

std::atomic<int> computing = 0;
std::atomic<bool> is_closing = false;

void check_open() {
  if (is_closing) fail("Python is shutting down");
}

}  // namespace

WithoutLock::WithoutLock() {
  check_open();
  ++computing;
  thread_ = PyEval_SaveThread();
}

WithoutLock::~WithoutLock() {
  PyEval_RestoreThread(static_cast<PyThreadState*>(thread_));
  --computing;
}

void check_signals() {
  check_open();
  thread_local std::chrono::steady_clock::time_point last;
  const auto now = std::chrono::steady_clock::now();
  if (now - last < 50ms) return;
  last = now;
  const nanobind::gil_scoped_acquire lock;
  if (PyErr_CheckSignals() != 0) nanobind::raise_python_error();
}

void shut_down() {
  is_closing = true;
  const nanobind::gil_scoped_release others;
  while (computing > 0) std::this_thread::sleep_for(1ms);
}

void forget_threads() { computing = 0; }

}  // namespace gpt2run::python
