// The program's own options, and those of all evaluation programs.
#include "gpt2compare/options.hpp"

#include "common/evaluation/evaluation.hpp"

namespace gpt2run {
namespace {

constexpr CoreOption kOwn[] = {
    {{"ref", "text", "fp32", "", "reference precision, PLUGIN or PLUGIN:KEY=VALUE"}},
    {{"test", "text", "bf16,fp16", "", "precisions to compare with it, separated by commas"}},
    {{"test_model", "text", "", "",
      "model of the tests in place of --model, with the same vocabulary; --test is then as --ref unless given"}},
    {{"text", "text", "", "", "file with one long text, cut into windows; - is standard input; in place of prompts"}},
    {{"max_new_tokens", "int", "64", "[0, 1048576]", "tokens of the continuations"}, 'n'},
    {{"window", "int", "0", "[0, 1048576]", "most tokens before a target; 0 is the model's context"}},
    {{"limit", "int", "0", "[0, 1000000000]", "targets to compare on, from the first; 0 is all"}},
    {{"overlap", "int", "10", "[1, 1000]", "k of topk_overlap"}},
    {{"floor", "enum", "on", "on|off", "measure the noise floor, what rounding alone causes; off saves its time"}},
    {{"floor_targets", "int", "128", "[1, 1000000]", "targets that the floor is measured on, from the first"}},
    {{"layers", "int", "64", "[0, 1048576]", "rows on which the outputs of all operations are compared; 0 is none"}},
    {{"layer_threshold", "real", "0", "[0, inf)",
      "relative RMS error from which an operation is reported; 0 is beyond what the types' rounding explains"}},
    {{"open", "int", "0", "[0, 1000]", "tests that are open at a time; 0 is as many as memory holds"}},
    {{"islands", "bool", "off", "",
      "repeat the one test with each operation, layer and kind of values in FP32, to find what does the damage"}},
    {{"patch", "text", "", "",
      "show what --ref says when an operation writes something else, as gpt2run's --patch; several are applied in "
      "order"},
     0,
     true},
    {{"patch_sweep", "text", "", "",
      "the same for each layer and position in turn: which of them carry the answer; op=A+B takes several operations"}},
    {{"answer", "text", "", "",
      "beside --patch: text of one token, or #ID, whose probability is followed; else the most likely ones"},
     0,
     true},
    {{"ref_folder", "text", "", "", "folder of files of the sink `logits`, or of the original's, in place of --ref"}},
    {{"test_folder", "text", "", "", "the same in place of --test"}},
    {{"ref_name", "text", "", "", "NAME of the files generation_NAME_N.json in --ref_folder; else the only one"}},
    {{"test_name", "text", "", "", "the same in --test_folder"}},
    {{"full", "bool", "off", "", "print every metric, by position and entropy, floors and flips"}},
    {{"formats", "bool", "off", "",
      "print the table for number formats: divergence, its direction, and the bytes of weights that a step reads"}},
    {{"json", "text", "", "", "file for all results, - is standard output in place of the tables"}},
    {{"fail_if", "text", "", "",
      "conditions like kl_mean>1e-3, separated by commas: METRIC[_STATISTIC], then > >= < <=, a number; exit 3 if one "
      "is met"}},
};

}  // namespace

std::span<const CoreOption> compare_options() {
  static const std::vector<CoreOption> options = evaluation_options(kOwn);
  return options;
}

}  // namespace gpt2run
