/*
 * The spiking kernels as operations of native TensorFlow on the processor: built into the binding of
 * @tensorflow/tfjs-node-gpu by `npm run setup:tensorflow`, registered through TensorFlow's C API, so that
 * tensors stay where they are. Names, operands and shapes as in src/backend/kernels/ops.ts; all values are
 * float32 and row-major. B sequences, T tokens, C channels.
 *
 * Loops run over channels and are left to the compiler to vectorize, for several processors at once. It may
 * not fuse or reorder arithmetic (-ffp-contract=off), and what a thread takes is whole rows or whole channels
 * of a sequence: results hang neither on the processor, nor on the number of threads, nor on the batch.
 */
#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>
#include "tensorflow/c/tf_datatype.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"

// The part of tensorflow/c/ops.h and kernels.h that is needed: libtensorflow's archive leaves them out.
extern "C" {
struct TF_OpDefinitionBuilder;
struct TF_ShapeInferenceContext;
struct TF_KernelBuilder;
struct TF_OpKernelConstruction;
struct TF_OpKernelContext;
TF_OpDefinitionBuilder* TF_NewOpDefinitionBuilder(const char* name);
void TF_OpDefinitionBuilderAddAttr(TF_OpDefinitionBuilder*, const char* spec);
void TF_OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder*, const char* spec);
void TF_OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder*, const char* spec);
void TF_OpDefinitionBuilderSetShapeInferenceFunction(
    TF_OpDefinitionBuilder*, void (*)(TF_ShapeInferenceContext*, TF_Status*));
void TF_ShapeInferenceContextSetUnknownShape(TF_ShapeInferenceContext*, TF_Status*);
void TF_RegisterOpDefinition(TF_OpDefinitionBuilder*, TF_Status*);
TF_KernelBuilder* TF_NewKernelBuilder(const char* op, const char* device,
                                      void* (*create)(TF_OpKernelConstruction*),
                                      void (*compute)(void*, TF_OpKernelContext*),
                                      void (*destroy)(void*));
void TF_RegisterKernelBuilder(const char* name, TF_KernelBuilder*, TF_Status*);
int TF_NumInputs(TF_OpKernelContext*);
int TF_NumOutputs(TF_OpKernelContext*);
void TF_GetInput(TF_OpKernelContext*, int index, TF_Tensor**, TF_Status*);
TF_Tensor* TF_AllocateOutput(TF_OpKernelContext*, int index, TF_DataType, const int64_t* dims,
                             int rank, size_t bytes, TF_Status*);
void TF_OpKernelContext_Failure(TF_OpKernelContext*, TF_Status*);
}

#if defined(__x86_64__) && defined(__linux__)
#define FOR_PROCESSORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_PROCESSORS
#endif
#define INLINE static inline __attribute__((always_inline))

namespace {

// ---- threads -------------------------------------------------------------------------------------

/** As many threads as TensorFlow's own operations take: TF_NUM_INTRAOP_THREADS, else all. */
unsigned threadCount() {
  const char* said = std::getenv("TF_NUM_INTRAOP_THREADS");
  const int count = said == nullptr ? 0 : std::atoi(said);
  return count > 0 ? count : std::max(1u, std::thread::hardware_concurrency());
}

/** Threads that sleep between operations, so that TensorFlow's have the processor meanwhile. */
class Pool {
 public:
  static Pool& shared() {
    // Never destroyed: threads that wait must not outlive it at the end of the process.
    static Pool* pool = new Pool(threadCount());
    return *pool;
  }

  /** Calls `part` for each of [0, parts), on any thread, and returns when all are done. */
  void run(int64_t parts, const std::function<void(int64_t)>& part) {
    if (parts <= 1 || helpers_ == 0) {
      for (int64_t i = 0; i < parts; i++) part(i);
      return;
    }
    std::lock_guard<std::mutex> one(running_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      part_ = &part;
      parts_ = parts;
      next_ = 0;
      busy_ = helpers_;
      round_++;
    }
    wake_.notify_all();
    take(part, parts);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  explicit Pool(unsigned threads) : helpers_(threads - 1) {
    for (unsigned i = 0; i < helpers_; i++) std::thread([this] { help(); }).detach();
  }

  void take(const std::function<void(int64_t)>& part, int64_t parts) {
    for (int64_t i = next_++; i < parts; i = next_++) part(i);
  }

  void help() {
    uint64_t seen = 0;
    for (;;) {
      const std::function<void(int64_t)>* part;
      int64_t parts;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return round_ != seen; });
        seen = round_;
        part = part_;
        parts = parts_;
      }
      take(*part, parts);
      std::lock_guard<std::mutex> lock(mutex_);
      if (--busy_ == 0) done_.notify_one();
    }
  }

  const unsigned helpers_;
  std::mutex running_, mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int64_t)>* part_ = nullptr;
  int64_t parts_ = 0;
  std::atomic<int64_t> next_{0};
  unsigned busy_ = 0;
  uint64_t round_ = 0;
};

// ---- arithmetic ----------------------------------------------------------------------------------

constexpr float kThreshold = 1.0f;
constexpr float kEpsilon = 1e-5f;
/** Channels that a loop holds at once: four vectors of the widest processor. */
constexpr int kLanes = 64;
/** Rows that a thread takes at once. */
constexpr int64_t kRows = 32;

/** e^x for x <= 88, 0 far below: e^x = 2^n e^r with |r| <= log(2) / 2 and a minimax polynomial (Cephes). */
INLINE float exponential(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.0f ? 88.0f : x;
  // Adding 1.5 * 2^23 rounds to a whole number.
  const float n = (x * 1.44269504088896341f + 12582912.0f) - 12582912.0f;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

/** Sums in 16 strands that are joined at the end, whatever the width of the processor's vectors. */
INLINE float joined(const float* strands) {
  float s[16];
  for (int i = 0; i < 16; i++) s[i] = strands[i];
  for (int half = 8; half >= 1; half /= 2)
    for (int i = 0; i < half; i++) s[i] += s[i + half];
  return s[0];
}

/** (x - mean) / sqrt(variance + epsilon) * gamma + beta of one row. */
INLINE void normalize(const float* x, const float* gamma, const float* beta, int64_t channels,
                      float* out) {
  float sums[16] = {0};
  int64_t c = 0;
  for (; c + 16 <= channels; c += 16)
    for (int i = 0; i < 16; i++) sums[i] += x[c + i];
  for (int i = 0; c + i < channels; i++) sums[i] += x[c + i];
  const float mean = joined(sums) / channels;
  float squares[16] = {0};
  for (c = 0; c + 16 <= channels; c += 16)
    for (int i = 0; i < 16; i++) {
      const float d = x[c + i] - mean;
      squares[i] += d * d;
    }
  for (int i = 0; c + i < channels; i++) {
    const float d = x[c + i] - mean;
    squares[i] += d * d;
  }
  const float scale = 1.0f / std::sqrt(joined(squares) / channels + kEpsilon);
  for (c = 0; c < channels; c++) out[c] = (x[c] - mean) * scale * gamma[c] + beta[c];
}

FOR_PROCESSORS void normRows(const float* x, const float* gamma, const float* beta, int64_t rows,
                             int64_t channels, float* out) {
  for (int64_t row = 0; row < rows; row++)
    normalize(x + row * channels, gamma, beta, channels, out + row * channels);
}

/**
 * Tokens [from, from + count) of one sequence: normalized, and mixed with the token before. The one before
 * the first is `shift`, or made again from x.
 */
FOR_PROCESSORS void mixTokens(const float* x, const float* gamma, const float* beta,
                              const float* mixes, const float* shift, int64_t from, int64_t count,
                              int64_t channels, int outputs, float* const* out, float* rows) {
  float* before = rows;
  float* now = rows + channels;
  if (from == 0)
    std::memcpy(before, shift, channels * sizeof(float));
  else
    normalize(x + (from - 1) * channels, gamma, beta, channels, before);
  for (int64_t t = from; t < from + count; t++) {
    normalize(x + t * channels, gamma, beta, channels, now);
    for (int m = 0; m < outputs; m++) {
      const float* mix = mixes + m * channels;
      float* to = out[m] + t * channels;
      for (int64_t c = 0; c < channels; c++) to[c] = now[c] * mix[c] + before[c] * (1.0f - mix[c]);
    }
    std::swap(before, now);
  }
}

/** Up to kLanes channels of one sequence, all tokens; pointers to the first channel, `stride` a token. */
FOR_PROCESSORS void wkvLanes(const float* k, const float* v, const float* r, const float* decay,
                             const float* first, const float* state, int64_t tokens, int64_t stride,
                             int lanes, float* out, float* after) {
  float a[kLanes], b[kLanes], p[kLanes], w[kLanes], u[kLanes];
  for (int c = 0; c < lanes; c++) {
    a[c] = state[c];
    b[c] = state[stride + c];
    p[c] = state[2 * stride + c];
    w[c] = -std::exp(decay[c]);
    u[c] = first[c];
  }
  for (int64_t t = 0; t < tokens; t++) {
    const int64_t at = t * stride;
    for (int c = 0; c < lanes; c++) {
      const float key = k[at + c], value = v[at + c];
      // Of the weights e^(p - top) and e^(q - top) one is always 1.
      const float now = u[c] + key;
      const float nowLess = p[c] - now;
      const float nowSmall = exponential(-std::fabs(nowLess));
      const float past = nowLess >= 0 ? 1.0f : nowSmall, present = nowLess >= 0 ? nowSmall : 1.0f;
      const float average = (past * a[c] + present * value) / (past * b[c] + present);
      out[at + c] = sigmoid(r[at + c]) * average;
      const float faded = p[c] + w[c];
      const float keyLess = faded - key;
      const float keySmall = exponential(-std::fabs(keyLess));
      const float old = keyLess >= 0 ? 1.0f : keySmall, fresh = keyLess >= 0 ? keySmall : 1.0f;
      a[c] = old * a[c] + fresh * value;
      b[c] = old * b[c] + fresh;
      p[c] = keyLess >= 0 ? faded : key;
    }
  }
  for (int c = 0; c < lanes; c++) {
    after[c] = a[c];
    after[stride + c] = b[c];
    after[2 * stride + c] = p[c];
  }
}

/** Up to kLanes channels of one sequence, all tokens. `gate` and `spikes` may be absent. */
FOR_PROCESSORS void spikeLanes(const float* x, const float* gate, const float* residual,
                               const float* membrane, int64_t tokens, int64_t stride, int lanes,
                               float* out, float* after, float* spikes) {
  float v[kLanes], in[kLanes], fired[kLanes];
  for (int c = 0; c < lanes; c++) v[c] = membrane[c];
  for (int64_t t = 0; t < tokens; t++) {
    const int64_t at = t * stride;
    if (gate != nullptr)
      for (int c = 0; c < lanes; c++) in[c] = sigmoid(gate[at + c]) * x[at + c];
    else
      for (int c = 0; c < lanes; c++) in[c] = x[at + c];
    for (int c = 0; c < lanes; c++) {
      const float h = v[c] + (in[c] - v[c]) * 0.5f;
      const bool fires = h >= kThreshold;
      fired[c] = fires ? 1.0f : 0.0f;
      v[c] = fires ? 0.0f : h;
      out[at + c] = residual[at + c] + fired[c];
    }
    if (spikes != nullptr)
      for (int c = 0; c < lanes; c++) spikes[at + c] = fired[c];
  }
  for (int c = 0; c < lanes; c++) after[c] = v[c];
}

FOR_PROCESSORS void squaredRelu(const float* x, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i++) {
    const float y = x[i] < 0 ? 0.0f : x[i];  // NaN stays
    out[i] = y * y;
  }
}

/** log(sum of e^logit) - logit of the target, of each row. */
FOR_PROCESSORS void nllRows(const float* logits, const int32_t* targets, int64_t rows,
                            int64_t classes, float* out) {
  for (int64_t row = 0; row < rows; row++) {
    const float* x = logits + row * classes;
    float tops[16];
    for (int i = 0; i < 16; i++) tops[i] = -INFINITY;
    int64_t c = 0;
    for (; c + 16 <= classes; c += 16)
      for (int i = 0; i < 16; i++) tops[i] = x[c + i] > tops[i] ? x[c + i] : tops[i];
    for (int i = 0; c + i < classes; i++) tops[i] = std::max(tops[i], x[c + i]);
    const float top = *std::max_element(tops, tops + 16);
    double sums[16] = {0};
    for (c = 0; c + 16 <= classes; c += 16)
      for (int i = 0; i < 16; i++) sums[i] += exponential(x[c + i] - top);
    for (int i = 0; c + i < classes; i++) sums[i] += exponential(x[c + i] - top);
    double sum = 0;
    for (const double one : sums) sum += one;
    // A model that is broken must stay visible: the comparisons above pass over NaN.
    float broken = 0;
    for (c = 0; c < classes; c++) broken += x[c] - x[c];
    out[row] = static_cast<float>(std::log(sum) + (static_cast<double>(top) - x[targets[row]])) + broken;
  }
}

// ---- operations ----------------------------------------------------------------------------------

/** The operands and results of a running operation, released with it. */
class Call {
 public:
  explicit Call(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {
    for (int i = 0; i < TF_NumInputs(context); i++) {
      TF_Tensor* tensor = nullptr;
      TF_GetInput(context, i, &tensor, status_);
      if (!fine()) return;
      owned_.push_back(tensor);
      inputs_.push_back(tensor);
    }
  }
  ~Call() {
    if (!fine()) TF_OpKernelContext_Failure(context_, status_);
    for (TF_Tensor* tensor : owned_) TF_DeleteTensor(tensor);
    TF_DeleteStatus(status_);
  }
  bool fine() const { return TF_GetCode(status_) == TF_OK; }
  int outputs() const { return TF_NumOutputs(context_); }
  int inputs() const { return static_cast<int>(inputs_.size()); }
  const float* in(int i) const { return static_cast<float*>(TF_TensorData(inputs_[i])); }
  const int32_t* integers(int i) const { return static_cast<int32_t*>(TF_TensorData(inputs_[i])); }
  int64_t dim(int i, int axis) const { return TF_Dim(inputs_[i], axis); }
  int64_t size(int i) const { return TF_TensorElementCount(inputs_[i]); }
  /** A result of the shape of an operand; nullptr, and not fine, where there is no memory. */
  float* like(int output, int input) {
    std::vector<int64_t> dims;
    for (int axis = 0; axis < TF_NumDims(inputs_[input]); axis++) dims.push_back(dim(input, axis));
    const size_t bytes = size(input) * sizeof(float);
    TF_Tensor* made =
        TF_AllocateOutput(context_, output, TF_FLOAT, dims.data(), dims.size(), bytes, status_);
    if (!fine()) return nullptr;
    owned_.push_back(made);
    return static_cast<float*>(TF_TensorData(made));
  }

 private:
  TF_OpKernelContext* context_;
  TF_Status* status_;
  std::vector<TF_Tensor*> inputs_, owned_;
};

int64_t blocks(int64_t count, int64_t size) { return (count + size - 1) / size; }

void forRows(int64_t rows, const std::function<void(int64_t from, int64_t count)>& run) {
  Pool::shared().run(blocks(rows, kRows), [&](int64_t i) {
    run(i * kRows, std::min(kRows, rows - i * kRows));
  });
}

/** Calls for each sequence and each group of lanes. */
void forLanes(int64_t batch, int64_t channels,
              const std::function<void(int64_t n, int64_t from, int lanes)>& run) {
  const int64_t groups = blocks(channels, kLanes);
  Pool::shared().run(batch * groups, [&](int64_t i) {
    const int64_t from = i % groups * kLanes;
    run(i / groups, from, static_cast<int>(std::min<int64_t>(kLanes, channels - from)));
  });
}

void layerNorm(void*, TF_OpKernelContext* context) {
  Call call(context);
  if (!call.fine()) return;
  float* out = call.like(0, 0);
  if (!call.fine()) return;
  const int64_t channels = call.dim(1, 0);
  forRows(call.size(0) / channels, [&](int64_t from, int64_t count) {
    const int64_t at = from * channels;
    normRows(call.in(0) + at, call.in(1), call.in(2), count, channels, out + at);
  });
}

void tokenMix(void*, TF_OpKernelContext* context) {
  Call call(context);
  if (!call.fine()) return;
  const int64_t batch = call.dim(0, 0), time = call.dim(0, 1), channels = call.dim(0, 2);
  const int outputs = call.outputs() - 1;
  std::vector<float*> out;
  for (int m = 0; m < outputs && call.fine(); m++) out.push_back(call.like(m, 0));
  float* last = call.fine() ? call.like(outputs, 4) : nullptr;
  if (!call.fine()) return;
  const int64_t pieces = blocks(time, kRows);
  Pool::shared().run(batch * pieces, [&](int64_t i) {
    const int64_t n = i / pieces, from = i % pieces * kRows;
    const int64_t count = std::min(kRows, time - from), at = n * time * channels;
    std::vector<float> rows(2 * channels);
    std::vector<float*> mine;
    for (float* one : out) mine.push_back(one + at);
    mixTokens(call.in(0) + at, call.in(1), call.in(2), call.in(3), call.in(4) + n * channels, from,
              count, channels, outputs, mine.data(), rows.data());
    if (from + count == time)
      normRows(call.in(0) + at + (time - 1) * channels, call.in(1), call.in(2), 1, channels,
               last + n * channels);
  });
}

void wkv(void*, TF_OpKernelContext* context) {
  Call call(context);
  if (!call.fine()) return;
  float* out = call.like(0, 0);
  float* after = call.fine() ? call.like(1, 5) : nullptr;
  if (!call.fine()) return;
  const int64_t time = call.dim(0, 1), channels = call.dim(0, 2);
  forLanes(call.dim(0, 0), channels, [&](int64_t n, int64_t from, int lanes) {
    const int64_t at = n * time * channels + from, state = n * 3 * channels + from;
    wkvLanes(call.in(0) + at, call.in(1) + at, call.in(2) + at, call.in(3) + from,
             call.in(4) + from, call.in(5) + state, time, channels, lanes, out + at, after + state);
  });
}

/** x, residual, membrane, and a gate or none. */
void spikingResidual(void*, TF_OpKernelContext* context) {
  Call call(context);
  if (!call.fine()) return;
  float* out = call.like(0, 0);
  float* after = call.fine() ? call.like(1, 2) : nullptr;
  float* spikes = call.fine() && call.outputs() > 2 ? call.like(2, 0) : nullptr;
  if (!call.fine()) return;
  const float* gate = call.inputs() > 3 ? call.in(3) : nullptr;
  const int64_t time = call.dim(0, 1), channels = call.dim(0, 2);
  forLanes(call.dim(0, 0), channels, [&](int64_t n, int64_t from, int lanes) {
    const int64_t at = n * time * channels + from, state = n * channels + from;
    spikeLanes(call.in(0) + at, gate == nullptr ? nullptr : gate + at, call.in(1) + at,
               call.in(2) + state, time, channels, lanes, out + at, after + state,
               spikes == nullptr ? nullptr : spikes + at);
  });
}

void squaredReluOf(void*, TF_OpKernelContext* context) {
  Call call(context);
  if (!call.fine()) return;
  float* out = call.like(0, 0);
  if (!call.fine()) return;
  constexpr int64_t kPiece = 1 << 14;
  const int64_t size = call.size(0);
  Pool::shared().run(blocks(size, kPiece), [&](int64_t i) {
    squaredRelu(call.in(0) + i * kPiece, std::min(kPiece, size - i * kPiece), out + i * kPiece);
  });
}

void tokenNll(void*, TF_OpKernelContext* context) {
  Call call(context);
  if (!call.fine()) return;
  float* out = call.like(0, 1);
  if (!call.fine()) return;
  const int64_t classes = call.dim(0, 1);
  forRows(call.dim(0, 0), [&](int64_t from, int64_t count) {
    nllRows(call.in(0) + from * classes, call.integers(1) + from, count, classes, out + from);
  });
}

// ---- registration --------------------------------------------------------------------------------

struct Operation {
  const char* name;
  std::vector<const char*> attributes, inputs, outputs;
  void (*compute)(void*, TF_OpKernelContext*);
};

bool registerOperation(const Operation& operation) {
  TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(operation.name);
  for (const char* spec : operation.attributes) TF_OpDefinitionBuilderAddAttr(definition, spec);
  for (const char* spec : operation.inputs) TF_OpDefinitionBuilderAddInput(definition, spec);
  for (const char* spec : operation.outputs) TF_OpDefinitionBuilderAddOutput(definition, spec);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(definition,
                                                  &TF_ShapeInferenceContextSetUnknownShape);
  TF_Status* status = TF_NewStatus();
  TF_RegisterOpDefinition(definition, status);
  bool fine = TF_GetCode(status) == TF_OK;
  if (fine) {
    TF_KernelBuilder* kernel =
        TF_NewKernelBuilder(operation.name, "CPU", nullptr, operation.compute, nullptr);
    TF_RegisterKernelBuilder(operation.name, kernel, status);
    fine = TF_GetCode(status) == TF_OK;
  }
  TF_DeleteStatus(status);
  return fine;
}

/** When the binding is loaded. An operation that fails is absent, which the backend finds out. */
const bool registered = [] {
  bool fine = true;
  for (const Operation& operation : std::vector<Operation>{
           {"QslmLayerNorm", {}, {"x: float", "gamma: float", "beta: float"}, {"out: float"}, layerNorm},
           {"QslmTokenMix",
            {"M: int >= 1"},
            {"x: float", "gamma: float", "beta: float", "mixes: float", "shift: float"},
            {"mixed: M * float", "last: float"},
            tokenMix},
           {"QslmWkv",
            {},
            {"k: float", "v: float", "r: float", "decay: float", "first: float", "state: float"},
            {"out: float", "after: float"},
            wkv},
           {"QslmSpikingResidual",
            {"G: int >= 0", "S: int >= 0"},
            {"x: float", "residual: float", "membrane: float", "gate: G * float"},
            {"out: float", "after: float", "spikes: S * float"},
            spikingResidual},
           {"QslmSquaredRelu", {}, {"x: float"}, {"out: float"}, squaredReluOf},
           {"QslmTokenNll", {}, {"logits: float", "targets: int32"}, {"nll: float"}, tokenNll},
       })
    fine = registerOperation(operation) && fine;
  return fine;
}();

}  // namespace
