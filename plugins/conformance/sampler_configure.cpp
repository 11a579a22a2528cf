// The checks of Sampler::configure(): a slot is sampled with the options of its request, as if the sampler had been
// created with them.
#include "conformance/option_variants.hpp"
#include "conformance/sampler_checks.hpp"

namespace gpt2run::conformance {
namespace {

constexpr uint64_t kSeeds = 4;

// Skips the check if the sampler refuses options of requests, which it may do by throwing Error.
void need_options_by_slot(const Plugin& plugin, SamplerRig& rig) {
  const OptionValues defaults = default_options(plugin);
  try {
    rig.configure(0, &defaults);
  } catch (const Error& error) {
    throw Skipped(std::string("it takes no options of a request: ") + error.what());
  }
  rig.wait();
}

std::vector<OptionValues> need_variants(const Plugin& plugin) {
  std::vector<OptionValues> variants = option_variants(plugin);
  if (variants.empty()) throw Skipped("it has no options that the check can change");
  return variants;
}

constexpr char kNoDifference[] = "no value of its options that was tried changes anything here";

void check_null(const Plugin& plugin, Session& session) {
  SamplerRig rig(plugin, session);
  for (int32_t slot = 0; slot < kSlots; ++slot) rig.configure(slot, nullptr);
  rig.wait();
}

// One row of the batch has options of its own, which change from batch to batch; in the end it has none.
void check_created_so(const Plugin& plugin, Session& session) {
  SamplerRig rig(plugin, session), plain(plugin, session);
  need_options_by_slot(plugin, rig);
  const std::vector<OptionValues> variants = need_variants(plugin);
  const std::vector<SamplerRow> rows = some_rows();
  std::vector<std::vector<SamplerResult>> usual;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) usual.push_back(plain.sample(rows, seed));
  bool differs = false;
  for (size_t v = 0; v < variants.size(); ++v) {
    const std::string options = changes_of(variants[v]);
    SamplerRig created(plugin, session, &variants[v]);
    const size_t own = v % rows.size();
    std::vector<SamplerRow> asked = rows;
    asked[own].options = &variants[v];
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const auto expected = created.sample(rows, seed), found = rig.sample(asked, seed);
      differs = differs || !is_same(expected[own], usual[seed][own]);
      require_same(found[own], expected[own], options + " by configure(), against created so");
      for (size_t r = 0; r < rows.size(); ++r)
        if (r != own) require_same(found[r], usual[seed][r], options + " by configure() of another slot, against none");
    }
    const auto after = rig.sample(rows, v % kSeeds);
    for (size_t r = 0; r < rows.size(); ++r)
      require_same(after[r], usual[v % kSeeds][r], "after configure() with null, against as created");
  }
  if (!differs) throw Skipped(kNoDifference);
}

// Every row has different options, which rotate from batch to batch.
void check_side_by_side(const Plugin& plugin, Session& session) {
  SamplerRig rig(plugin, session);
  need_options_by_slot(plugin, rig);
  const std::vector<OptionValues> variants = need_variants(plugin);
  std::vector<SamplerRow> rows = some_rows();
  std::vector<SamplerRig> created;
  for (const OptionValues& options : variants) created.emplace_back(plugin, session, &options);
  for (size_t first = 0; first < variants.size(); ++first) {
    const auto variant_of = [&](size_t row) { return (first + row) % variants.size(); };
    for (size_t r = 0; r < rows.size(); ++r) rows[r].options = &variants[variant_of(r)];
    const auto found = rig.sample(rows, first);
    for (size_t r = 0; r < rows.size(); ++r) {
      SamplerRow alone = rows[r];
      alone.options = nullptr;
      require_same(found[r], created[variant_of(r)].sample({alone}, first).front(),
                   changes_of(variants[variant_of(r)]) + " beside other options, against created so");
    }
  }
}

// Configures a slot without a row while a device may still be processing the rows of the others.
void check_while_enqueued(const Plugin& plugin, Session& session) {
  SamplerRig rig(plugin, session), plain(plugin, session);
  need_options_by_slot(plugin, rig);
  const std::vector<SamplerRow> rows = some_rows();
  for (const OptionValues& options : need_variants(plugin)) {
    const auto found = rig.sample(rows, 1, [&] { rig.configure(4, &options); }), usual = plain.sample(rows, 1);
    for (size_t r = 0; r < rows.size(); ++r)
      require_same(found[r], usual[r], changes_of(options) + " for a slot without a row");
  }
}

// A generation loop over two slots.
struct Loop {
  Session& session;
  Sampler& sampler;
  std::vector<Row> rows = {{0, kSampled, true}, {1, kSampled, true}};

  static void body(void* arg) {
    const Loop& loop = *static_cast<Loop*>(arg);
    loop.sampler.sample(loop.session.step(loop.rows));
  }
};

// The result of a loop.
struct Outcome {
  std::vector<int32_t> tokens;  // of both slots, sampled or given
  Floats logits;                // of both rows, as the last call left them
  bool operator==(const Outcome&) const = default;
};

// Prefills two texts, the second one with `options`, samples the first token of each, and then `count` more by calling
// bodies(loop, count). For a sampler that does not select, the tokens are in the table beforehand.
template <class Bodies>
Outcome choose(SamplerRig& rig, Session& session, const Options* options, int count, const Bodies& bodies) {
  constexpr int kPrompt = 2;
  std::vector<Row> prompts;
  for (int slot = 0; slot < 2; ++slot) {
    const uint64_t sequence = static_cast<uint64_t>(slot) + 3;
    session.start(slot, {sequence, 42, kPrompt, 0, slot, 0});
    for (int p = 0; p < kPrompt; ++p) prompts.push_back({slot, token_of(sequence, p), p + 1 == kPrompt});
    write_tokens(session, slot, sequence, kPrompt, kContext + 1);
  }
  rig.configure(0, nullptr), rig.configure(1, options);
  Loop loop{session, rig.sampler()};
  LogitBatch batch = session.step(prompts);
  rig.sampler().sample(batch);
  bodies(loop, count);
  Outcome outcome;
  batch = session.layout();
  for (int slot = 0; slot < 2; ++slot) {
    const auto tokens = fetch(session, batch.tokens + slot * batch.token_stride + kPrompt, size_t(count) + 1);
    outcome.tokens.insert(outcome.tokens.end(), tokens.begin(), tokens.end());
  }
  batch.rows = 2;
  outcome.logits = fetch_rows(session, batch, batch.logits);
  return outcome;
}

// A step that was recorded with other options, or with none, must be replayed with those that are set now.
void check_replayed(const Plugin& plugin, const Opened& memory) {
  if (memory.space == Space::host) throw Skipped("in host memory nothing is replayed");
  const auto looped = memory.session(kRigLimits), replayed = memory.session(kRigLimits);
  if (!looped->traits().run) throw Skipped(std::string("the precision that lends its memory does not declare run"));
  SamplerRig slow(plugin, *looped), fast(plugin, *replayed);
  need_options_by_slot(plugin, slow);
  const uint64_t key = fresh_key();
  const auto by_loop = [](Loop& loop, int count) {
    while (count-- > 0) Loop::body(&loop);
  };
  const auto by_replay = [&](Loop& loop, int count) {  // twice, since a session may record at the key's second use
    for (const int n : {1, count - 1}) loop.session.repeat(n, key, loop.rows, &Loop::body, &loop);
  };
  const Outcome usual = choose(slow, *looped, nullptr, 4, by_loop);
  require(choose(fast, *replayed, nullptr, 4, by_replay) == usual, "replayed without options, against a loop");
  bool differs = false;
  for (const OptionValues& options : need_variants(plugin)) {
    const Outcome expected = choose(slow, *looped, &options, 4, by_loop);
    require(choose(fast, *replayed, &options, 4, by_replay) == expected, changes_of(options),
            " by configure() before a replay, against a loop");
    differs = differs || !(expected == usual);
  }
  require(choose(fast, *replayed, nullptr, 4, by_replay) == usual, "configure() with null before a replay");
  if (!differs) throw Skipped(kNoDifference);
}

}  // namespace

void check_configure(Report& report, const Plugin& plugin, const Opened& memory) {
  const auto session = memory.session(kRigLimits);
  report.check("configure() with null is taken by every slot", [&] { check_null(plugin, *session); });
  report.check("options by slot: as if created so, neighbours untouched, null takes them back",
               [&] { check_created_so(plugin, *session); });
  report.check("options by slot: others beside them", [&] { check_side_by_side(plugin, *session); });
  report.check("options by slot: set while other slots are sampled", [&] { check_while_enqueued(plugin, *session); });
  report.check("options by slot: what was recorded follows them", [&] { check_replayed(plugin, memory); });
}

}  // namespace gpt2run::conformance
