// Gemm implemented with cuBLASLt. The library is opened only for sessions that may need it, so that no other session
// loads it, or fails because it is missing.
#include <cublasLt.h>
#include <dlfcn.h>

#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "gemm.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"
#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::cuda {
namespace {

#define GPT2RUN_TEXT_OF(number) #number
#define GPT2RUN_TEXT(number) GPT2RUN_TEXT_OF(number)
constexpr const char* kFile = "libcublasLt.so." GPT2RUN_TEXT(CUBLAS_VER_MAJOR);

constexpr size_t kWorkspaceBytes = size_t(32) << 20;  // NVIDIA's recommendation for Hopper
constexpr uint32_t kAlignment = 16;                   // bytes, of every row that a product reads or writes

// Opens a shared library: first by the dynamic loader's usual search, then in the folder of the CUDA runtime. It is
// never closed. Throws Error with the file's name.
void* open_library(const std::string& file) {
  if (void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  const char* said = dlerror();
  const std::string reason = said ? said : "no reason given";
  Dl_info runtime;
  if (dladdr(reinterpret_cast<const void*>(&cudaRuntimeGetVersion), &runtime) && runtime.dli_fname) {
    const std::string path = runtime.dli_fname;
    if (void* library = dlopen((path.substr(0, path.rfind('/') + 1) + file).c_str(), RTLD_NOW | RTLD_LOCAL))
      return library;
  }
  fail("expected ", file, " for products of many rows, found none: ", reason, "; invariant=prefill needs none");
}

// The functions of cuBLASLt that are used.
struct Functions {
  explicit Functions(const std::string& file) : library(open_library(file)) {
    find(file, "cublasLtGetStatusString", text);
    find(file, "cublasLtCreate", create), find(file, "cublasLtDestroy", destroy);
    find(file, "cublasLtMatmulDescCreate", desc_create), find(file, "cublasLtMatmulDescDestroy", desc_destroy);
    find(file, "cublasLtMatmulDescSetAttribute", desc_set);
    find(file, "cublasLtMatrixLayoutCreate", layout_create), find(file, "cublasLtMatrixLayoutDestroy", layout_destroy);
    find(file, "cublasLtMatmulPreferenceCreate", preference_create);
    find(file, "cublasLtMatmulPreferenceDestroy", preference_destroy);
    find(file, "cublasLtMatmulPreferenceSetAttribute", preference_set);
    find(file, "cublasLtMatmulAlgoGetHeuristic", heuristic);
    find(file, "cublasLtMatmulAlgoCheck", algorithm_check);
    find(file, "cublasLtMatmul", multiply);
  }

  template <class Function>
  void find(const std::string& file, const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(dlsym(library, name));
    if (!function) fail(file, ": expected the function ", name, ", found none");
  }

  void check(cublasStatus_t status, const char* what) const {
    if (status != CUBLAS_STATUS_SUCCESS) fail("cuBLASLt, ", what, ": ", text(status));
  }

  void* library;
  decltype(cublasLtGetStatusString)* text;
  decltype(cublasLtCreate)* create;
  decltype(cublasLtDestroy)* destroy;
  decltype(cublasLtMatmulDescCreate)* desc_create;
  decltype(cublasLtMatmulDescDestroy)* desc_destroy;
  decltype(cublasLtMatmulDescSetAttribute)* desc_set;
  decltype(cublasLtMatrixLayoutCreate)* layout_create;
  decltype(cublasLtMatrixLayoutDestroy)* layout_destroy;
  decltype(cublasLtMatmulPreferenceCreate)* preference_create;
  decltype(cublasLtMatmulPreferenceDestroy)* preference_destroy;
  decltype(cublasLtMatmulPreferenceSetAttribute)* preference_set;
  decltype(cublasLtMatmulAlgoGetHeuristic)* heuristic;
  decltype(cublasLtMatmulAlgoCheck)* algorithm_check;
  decltype(cublasLtMatmul)* multiply;
};

// A handle from one of the library's create functions, with the function that destroys it.
template <class Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, cublasStatus_t (*)(Handle)>;

cudaDataType type_of(Type type) {
  switch (type) {
    case Type::f32:
      return CUDA_R_32F;
    case Type::f16:
      return CUDA_R_16F;
    case Type::bf16:
      return CUDA_R_16BF;
    default:
      fail_type(type);
  }
}

// What a plan depends on, except for the number of rows: type, out_type, outputs, inputs, out_stride, epilogue, adds.
using Shape = std::tuple<Type, Type, int, int, int64_t, cublasLtEpilogue_t, bool>;
cublasLtEpilogue_t epilogue_of(const GemmProblem& p) {
  return p.gelu ? CUBLASLT_EPILOGUE_GELU_BIAS : p.bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}
Shape product_of(const GemmProblem& p) {
  return {p.type, p.out_type, p.outputs, p.inputs, p.out_stride, epilogue_of(p), p.adds};
}

// The library's description of a product. cuBLASLt is column-major, so it computes out^T (outputs, rows) from in^T and
// from W, which in its terms is stored transposed.
struct Description {
  Description(const Functions& lt, const GemmProblem& p, int rows)
      : operation(make<cublasLtMatmulDesc_t>(lt, lt.desc_destroy,
                                             [&](auto* to) {
                                               return lt.desc_create(to, CUBLAS_COMPUTE_32F, CUDA_R_32F);  // no TF32
                                             })),
        weights(layout(lt, type_of(p.type), p.inputs, p.outputs, p.inputs)),
        in(layout(lt, type_of(p.type), p.inputs, rows, p.inputs)),
        out(layout(lt, type_of(p.out_type), p.outputs, rows, p.out_stride)) {
    const cublasOperation_t transposed = CUBLAS_OP_T;
    const cublasLtEpilogue_t epilogue = epilogue_of(p);
    const cudaDataType bias_type = type_of(p.out_type);  // the only one that the library supports for each type
    set(lt, CUBLASLT_MATMUL_DESC_TRANSA, transposed), set(lt, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (!p.bias) return;
    set(lt, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, bias_type);
    set(lt, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  }

  template <class T>
  void set(const Functions& lt, cublasLtMatmulDescAttributes_t attribute, const T& value) const {
    lt.check(lt.desc_set(operation.get(), attribute, &value, sizeof value), "describing a product");
  }

  template <class Handle, class Destroy, class Create>
  static Owned<Handle> make(const Functions& lt, Destroy* destroy, Create create) {
    Handle handle = nullptr;
    lt.check(create(&handle), "describing a product");
    return Owned<Handle>(handle, destroy);
  }
  static Owned<cublasLtMatrixLayout_t> layout(const Functions& lt, cudaDataType type, int64_t rows, int64_t columns,
                                              int64_t stride) {
    return make<cublasLtMatrixLayout_t>(lt, lt.layout_destroy,
                                        [&](auto* to) { return lt.layout_create(to, type, rows, columns, stride); });
  }

  Owned<cublasLtMatmulDesc_t> operation;
  Owned<cublasLtMatrixLayout_t> weights, in, out;
};

struct Plan {
  Description description;
  cublasLtMatmulAlgo_t algorithm;
};

// The number of rows for which an algorithm is chosen: the next power of two. The algorithm usually serves all smaller
// numbers of rows too.
int bucket_of(int rows) {
  int bucket = 16;
  while (bucket < rows) bucket *= 2;
  return bucket;
}

class Library final : public Gemm {
 public:
  explicit Library(const char* file) : lt_(file), handle_(nullptr, lt_.destroy), workspace_(kWorkspaceBytes) {
    cublasLtHandle_t handle = nullptr;
    lt_.check(lt_.create(&handle), "opening the device");
    handle_.reset(handle);
  }

  void multiply(const GemmProblem& p, void* stream) override {
    const Plan& plan = plan_of(p);
    const Description& d = plan.description;
    if (p.bias) d.set(lt_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    const float one = 1, beta = p.adds ? 1 : 0;
    lt_.check(lt_.multiply(handle_.get(), d.operation.get(), &one, p.weights, d.weights.get(), p.in, d.in.get(), &beta,
                           p.out, d.out.get(), p.out, d.out.get(), &plan.algorithm, workspace_.data(), kWorkspaceBytes,
                           static_cast<cudaStream_t>(stream)),
              "a product");
  }

 private:
  const Plan& plan_of(const GemmProblem& p) {
    const auto key = std::pair(product_of(p), p.rows);
    if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
    const auto bucket = std::pair(product_of(p), bucket_of(p.rows));
    auto chosen = algorithms_.find(bucket);
    if (chosen == algorithms_.end()) chosen = algorithms_.emplace(bucket, choose(p, bucket.second)).first;
    Plan plan{Description(lt_, p, p.rows), chosen->second};
    if (!serves(plan)) plan.algorithm = choose(p, p.rows);
    return plans_.emplace(key, std::move(plan)).first->second;
  }

  bool serves(const Plan& plan) const {
    const Description& d = plan.description;
    cublasLtMatmulHeuristicResult_t result = {};
    return lt_.algorithm_check(handle_.get(), d.operation.get(), d.weights.get(), d.in.get(), d.out.get(), d.out.get(),
                               &plan.algorithm, &result) == CUBLAS_STATUS_SUCCESS &&
           result.workspaceSize <= kWorkspaceBytes;
  }

  // Chooses an algorithm that does not split the inputs, fits the workspace, and needs no more alignment than the rows
  // have.
  cublasLtMatmulAlgo_t choose(const GemmProblem& p, int rows) const {
    const Description d(lt_, p, rows);
    const auto preference = Description::make<cublasLtMatmulPreference_t>(
        lt_, lt_.preference_destroy, [&](auto* to) { return lt_.preference_create(to); });
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      lt_.check(lt_.preference_set(preference.get(), attribute, &value, sizeof value), "asking for a plan");
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
    for (const auto matrix : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                              CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      set(matrix, kAlignment);
    cublasLtMatmulHeuristicResult_t result = {};
    int found = 0;
    const cublasStatus_t status = lt_.heuristic(handle_.get(), d.operation.get(), d.weights.get(), d.in.get(),
                                                d.out.get(), d.out.get(), preference.get(), 1, &result, &found);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) lt_.check(status, "choosing a product");
    if (status != CUBLAS_STATUS_SUCCESS || found == 0 || result.state != CUBLAS_STATUS_SUCCESS)
      fail("cuBLASLt has no product of ", rows, " rows with ", p.inputs, " inputs and ", p.outputs, " outputs from ",
           name_of(p.type), " to ", name_of(p.out_type), " on this device; invariant=prefill needs none",
           p.out_type == Type::f32 ? "" : ", epilogue=exact none of this kind");
    return result.algo;
  }

  Functions lt_;
  Owned<cublasLtHandle_t> handle_;
  Array<char> workspace_;
  std::map<std::pair<Shape, int>, cublasLtMatmulAlgo_t> algorithms_;  // by shape and bucket
  std::map<std::pair<Shape, int>, Plan> plans_;                       // by shape and rows
};

}  // namespace

std::unique_ptr<Gemm> open_gemm(const char* file) { return std::make_unique<Library>(file ? file : kFile); }

}  // namespace gpt2run::cuda
