// `plumbline plan`: what a model will take and how fast it should be, before anything is loaded.
#ifndef PLUMBLINE_TOOLS_PLAN_H_
#define PLUMBLINE_TOOLS_PLAN_H_

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/memory_plan.h"
#include "engine/model_config.h"

namespace plumbline {

struct PlanOptions {
  std::string model;             // empty: the toy model (with `article`: GPT-2 small)
  std::string memory;            // as ParseByteSize takes it; empty: what is free here
  int64_t context = 0;           // tokens of each request; 0: the model's own context
  int64_t requests = 1;          // at once
  int64_t prompt = 0;            // one more prompt length to predict; 0: none
  int chunk_tokens = 512;        // token budget of a step
  int block_tokens = 16;         // of a cache block
  int threads = 0;               // 0: all cores this process may use
  std::string weights = "auto";  // auto, f32, bf16, int8 or q4
  std::string machine_file;      // of `calibrate`; empty: its default place
  bool article = false;          // the article's table of longest sequences instead
  bool json = false;
};

// An even number of them: the report shows their bytes two by two.
inline constexpr std::array<KvDtype, 4> kPlanDtypes = {KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16,
                                                       KvDtype::kInt8};
template <class T>
using ByDtype = std::array<T, kPlanDtypes.size()>;  // in the order of kPlanDtypes

// Predicted seconds.
struct PlanTime {
  int64_t tokens = 0;  // of the prompt, or of the context
  int64_t batch = 1;
  ByDtype<double> seconds = {};
};

// The model with one number of KV heads.
struct HeadsPlan {
  std::string name;  // "MHA", "GQA" or "MQA"
  int kv_heads = 0;
  bool own = false;  // as the model itself is
  ByDtype<MemoryPlan> plans;
  ByDtype<int64_t> largest_context = {};  // of each of the wished requests
  ByDtype<int64_t> most_requests = {};    // of the wished context
  std::vector<PlanTime> ttft;             // empty: no machine profile
  std::vector<PlanTime> decode;
};

struct Plan {
  std::string model;
  ModelConfig config;
  WeightDtype weights = WeightDtype::kF32;
  int threads = 1;
  int64_t memory_bytes = 0;
  std::string memory_source;  // "MemAvailable", a cgroup's file, or "--memory"
  bool what_if = false;       // the memory is not this machine's
  int64_t context = 0;
  int64_t requests = 1;
  int chunk_tokens = 512;
  int block_tokens = 16;
  std::vector<HeadsPlan> heads;  // MHA, GQA, MQA, as far as there are such
  std::string times_missing;     // why there are no times; empty: there are
  int64_t wished_prompt = 0;     // one more prompt to predict; 0: none
  // No prediction takes long itself: the longest prompt and the longest context predicted. Less
  // than `context` where that has too many steps or tokens. 0: no times.
  int64_t longest_prompt = 0;
  int64_t longest_decode = 0;

  const HeadsPlan& own() const;
};

// Reads the model's description, not its weights, and compiles its matmuls to see how large they
// get. InvalidArgument for sizes that make no sense together; errors of OpenModel and
// MeasureMatmulFootprint, and of LoadMachineProfile for a machine file that was named.
absl::StatusOr<Plan> MakePlan(const PlanOptions& options);
// At most 80 columns.
std::string PlanReport(const Plan& plan);
std::string PlanJson(const Plan& plan);

// Writes one of the two, or the article's table, to `out`. DataLoss where it can't be written, or
// MakePlan's errors.
absl::Status RunPlan(const PlanOptions& options, std::ostream& out);

// A divisor of `heads` near a quarter of them, neither 1 nor `heads`; 0 where there is none.
int GroupedKvHeads(int heads);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PLAN_H_
