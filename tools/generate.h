// `plumbline generate`: runs prompts through a model, together, and shows what it cost beside what
// the formulas say.
#ifndef PLUMBLINE_TOOLS_GENERATE_H_
#define PLUMBLINE_TOOLS_GENERATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cache/kv_geometry.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"
#include "engine/model_config.h"
#include "engine/weight_dtype.h"
#include "scheduler/preemption.h"
#include "scheduler/request.h"
#include "scheduler/sequence_blocks.h"
#include "tools/preempt_options.h"

namespace plumbline {

struct PlanCheck;

struct GenerateOptions {
  std::string model;                 // empty: the toy model
  std::vector<std::string> prompts;  // come before those of the file
  std::string prompt_file;           // one prompt per line, blank lines ignored; empty: none
  int max_new_tokens = 64;
  int samples = 1;  // completions of each prompt
  SamplingParams sampling;
  std::vector<std::string> stop;
  int threads = 0;                // 0: all cores this process may use
  std::string weights = "auto";   // auto, f32, bf16, int8 or q4
  std::string kv_dtype = "auto";  // auto, f32, f16, bf16 or int8
  int block_tokens = 16;
  int chunk_tokens = 512;               // token budget of a step
  std::optional<int64_t> cache_mib;     // at most one of the two; neither: what the requests need,
  std::optional<int64_t> cache_blocks;  // as far as there is memory
  bool prefix_sharing = true;
  PreemptOptions preempt;
  int logprobs = 0;
  bool no_cache = false;    // SchedulerOptions::recompute_each_step
  std::string machine;      // profile to predict times from; empty: the default one, if any
  bool predict = true;      // false: no profile is looked for
  bool plan_check = false;  // hold planned memory against real memory
  bool json = false;
};

struct GeneratedRequest {
  std::string prompt;
  std::string text;  // valid UTF-8
  RequestResult result;
};

// Everything that the reports print.
struct GenerateRun {
  std::string model;  // as named by the user, or the toy's path
  ModelConfig config;
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;
  int threads = 1;
  int64_t weight_bytes = 0;  // packed, all classes
  int64_t pool_bytes = 0;    // of the whole cache, mapped
  std::string same_bits_exception;
  std::string matmul_implementations;
  CostShape shape;
  int logprobs = 0;                             // as asked for
  PrefixStats prefix;                           // of all starts
  PreemptionStats preemption;                   // of all requests
  bool no_cache = false;                        // every token recomputed its whole context
  std::optional<MachineProfile> profile;        // at this run's anchors; none: nothing is predicted
  int64_t score_scratch_bytes = 0;              // what stands in for stored scores
  std::shared_ptr<const PlanCheck> plan_check;  // null: not asked for
  std::vector<GeneratedRequest> requests;       // in the order given, a prompt's samples together
};

// Results go to `out`, the prompt's echo too where `echo_prompt` (a terminal) wants one.
// Cancelled after Ctrl-C, once what there is has been printed; Internal where a request failed
// (the others are printed); DataLoss where `out` can't be written; InvalidArgument, NotFound,
// ResourceExhausted and the like, before anything is printed, for what the options name.
absl::Status RunGenerate(const GenerateOptions& options, bool echo_prompt, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_GENERATE_H_
