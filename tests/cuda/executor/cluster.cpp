#include "cluster.hpp"

namespace gpt2run::executor {

void Cluster::clear() { blocks_.clear(), alive_ = arrived_ = 0; }

void Cluster::add(BlockRunner& block, int threads) {
  blocks_.push_back(&block);
  alive_ += threads;
}

BlockRunner* Cluster::block(int rank) const { return rank >= 0 && rank < size() ? blocks_[rank] : nullptr; }

const char* Cluster::arrive(Own& own) {
  if (own.has_arrived) return "arrives at a barrier of the cluster again before it has waited";
  own.has_arrived = true, own.phase = phase_;
  ++arrived_;
  pass_if_complete();
  return nullptr;
}

const char* Cluster::end(const Own& own) {
  if (own.has_arrived) return "ended after it had arrived at a barrier of the cluster, without waiting";
  --alive_;
  pass_if_complete();
  return nullptr;
}

void Cluster::pass_if_complete() {
  if (arrived_ == 0 || arrived_ < alive_) return;
  arrived_ = 0;
  ++phase_;
}

}  // namespace gpt2run::executor
