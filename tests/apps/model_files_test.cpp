// What people have in place of a model: one line says what it is and what to do.
#include <gmock/gmock.h>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::IsRefusal;

struct Brought {
  const char *name, *layout;  // layout: a command that makes it, beside the model ok, of which m is a copy
  const char* model;
  test::Words words;
};

void PrintTo(const Brought& brought, std::ostream* out) { *out << brought.layout; }

// What a layout may call.
constexpr char kHelpers[] = R"(
lfs() { printf 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548105171\n' >$1; }
page() { echo '<!DOCTYPE html><html><body>Sign in</body></html>' >$1; }
onnx() { printf '\010\010\022\007pytorch\032\001' >$1; }
cut() { head -c $2 $1 >part && mv part $1; }
)";

class BroughtFile : public Shell, public testing::WithParamInterface<Brought> {};

TEST_P(BroughtFile, IsNamedWithWhatToDo) {
  const Brought& brought = GetParam();
  ASSERT_EQ(run("gpt2convert -q -o ok -m synthetic:L=2,C=8,H=2,V=40,T=9 && cp -r ok m").code, 0);
  ASSERT_EQ(run(kHelpers + std::string(brought.layout)).code, 0);
  const size_t before = entries();
  EXPECT_THAT(run(std::string("gpt2run -q -n 1 --tokens 1 --sink null -m ") + brought.model),
              IsRefusal(1, brought.words));
  EXPECT_EQ(entries(), before);
}

const Brought kBrought[] = {
    {"LfsPointer", "lfs m/model.safetensors", "m", {"m/model.safetensors:", "Git", "LFS", "548105171", "git lfs pull"}},
    {"LfsPointerOfPyTorch", "lfs ckpt.pt", "ckpt.pt", {"ckpt.pt:", "Git", "LFS", "git lfs pull"}},
    {"LfsPointerOfGguf", "lfs m.gguf", "m.gguf", {"m.gguf:", "Git", "LFS", "git lfs pull"}},
    {"LfsPointerOfAnything", "lfs model.bin", "model.bin", {"model.bin:", "Git", "LFS", "git lfs pull"}},
    {"WebPage", "page m/model.safetensors", "m", {"m/model.safetensors:", "web page", "download"}},
    {"WebPageAsGguf", "page m.gguf", "m.gguf", {"m.gguf:", "web page", "download"}},
    {"WebPageAsAnything", "page model.bin", "model.bin", {"model.bin:", "web page", "download"}},
    {"CutInTheData", "cut m/model.safetensors 9000", "m", {"m/model.safetensors:", "9000", "cut", "download"}},
    {"CutInTheHeader", "cut m/model.safetensors 2000", "m", {"m/model.safetensors:", "2000", "cut", "download"}},
    {"CutLlmc",
     "gpt2convert -q -m ok --to llmc -o m.bin && cut m.bin 3000",
     "m.bin",
     {"m.bin:", "12448", "3000", "cut", "download"}},
    {"CutGguf",
     "gpt2convert -q -m ok --to gguf -o m.gguf && cut m.gguf 9000",
     "m.gguf",
     {"m.gguf:", "9000", "cut", "download"}},
    {"CutPyTorch",
     "cp " SOURCE_DIR "/tests/golden/torch/nanogpt.pt . && chmod u+w nanogpt.pt && cut nanogpt.pt 5000",
     "nanogpt.pt",
     {"nanogpt.pt:", "5000", "cut", "download"}},
    {"Empty", ": >model.bin", "model.bin", {"model model.bin:", "empty"}},
    {"AdapterFolder",
     "mkdir a; echo {} >a/adapter_config.json; cp ok/model.safetensors a/adapter_model.safetensors",
     "a",
     {"a:", "adapter", "LoRA", "merge"}},
    {"AdapterWithTheConfigOfItsModel",
     "mv m/model.safetensors m/adapter_model.safetensors",
     "m",
     {"m:", "adapter_model.safetensors", "LoRA", "merge"}},
    {"AdapterFile",
     "mv m/model.safetensors m/adapter_model.safetensors",
     "m/adapter_model.safetensors",
     {"m/adapter_model.safetensors:", "LoRA", "merge"}},
    {"TensorflowFolder",
     "rm m/model.safetensors; printf '\\211HDF\\r\\n\\032\\n' >m/tf_model.h5",
     "m",
     {"m:", "tf_model.h5", "TensorFlow", "from_tf=True"}},
    {"TensorflowFile",
     "printf '\\211HDF\\r\\n\\032\\n' >weights",
     "weights",
     {"weights:", "TensorFlow", "from_tf=True"}},
    {"FlaxFolder",
     "rm m/model.safetensors; echo x >m/flax_model.msgpack",
     "m",
     {"m:", "flax_model.msgpack", "Flax", "from_flax=True"}},
    {"FlaxFile", "echo x >flax_model.msgpack", "flax_model.msgpack", {"flax_model.msgpack:", "Flax", "from_flax=True"}},
    {"OnnxFolder", "rm m/model.safetensors; echo x >m/model.onnx", "m", {"m:", "model.onnx", "ONNX", "safetensors"}},
    {"OnnxFolderAlone", "mkdir a; onnx a/decoder.onnx", "a", {"a:", "decoder.onnx", "ONNX", "safetensors"}},
    {"OnnxFile", "onnx decoder", "decoder", {"decoder:", "ONNX", "safetensors"}},
    {"ShardWithoutItsIndex",
     "mv m/model.safetensors m/model-00001-of-00002.safetensors",
     "m/model-00001-of-00002.safetensors",
     {"m/model-00001-of-00002.safetensors:", "shard", "model.safetensors.index.json"}},
    {"FolderOfAShardWithoutItsIndex",
     "mv m/model.safetensors m/model-00001-of-00002.safetensors",
     "m",
     {"m:", "model-00001-of-00002.safetensors", "shard", "index"}},
    {"MissingShardOfPyTorch",
     "rm m/model.safetensors; echo '{\"weight_map\": {\"wte.weight\": \"pytorch_model-00001-of-00002.bin\"}}' "
     ">m/pytorch_model.bin.index.json",
     "m",
     {"m/pytorch_model-00001-of-00002.bin:", "No such file or directory"}},
    {"EmptyIndexOfPyTorch",
     "rm m/model.safetensors; echo '{\"weight_map\": {}}' >m/pytorch_model.bin.index.json",
     "m",
     {"m/pytorch_model.bin.index.json:", "weight_map", "none"}},
    {"GgufOfAnotherArchitecture",
     "gpt2convert -q -m ok --to gguf -o m.gguf && LC_ALL=C sed -i 's/\\x04\\x00*gpt2/\\x04\\x00\\x00\\x00\\x00\\x00"
     "\\x00\\x00bert/' m.gguf",
     "m.gguf",
     {"m.gguf:", "general.architecture", "gpt2", "\"bert\"", "GPT-2's"}},
    {"ConfigOfAnotherArchitecture",
     "sed -i 's/\"gpt2\"/\"llama\"/' m/config.json",
     "m",
     {"m/config.json:", "model_type", "\"llama\"", "GPT-2's"}},
    {"WeightsWithoutTheirConfig",
     "rm m/config.json",
     "m/model.safetensors",
     {"m/model.safetensors:", "m/config.json", "none"}},
    {"FolderWithoutAConfig", "rm m/config.json", "m", {"m:", "config.json"}},
    {"Gzip", "gzip -c ok/model.safetensors >m.gz", "m.gz", {"m.gz:", "gzip", "unpack"}},
    {"Tar", "tar cf m.tar ok", "m.tar", {"m.tar:", "tar archive", "unpack"}},
    {"Numpy",
     "python3 -c \"import zipfile; zipfile.ZipFile('a.npz', 'w').writestr('wte.npy', 'x')\"",
     "a.npz",
     {"a.npz:", "NumPy", "safetensors"}},
    {"Text", "echo hello >notes.txt", "notes.txt", {"model notes.txt:", "format", "docs/formats.md"}},
};

INSTANTIATE_TEST_SUITE_P(, BroughtFile, testing::ValuesIn(kBrought), [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace gpt2run
