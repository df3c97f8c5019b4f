#include "tools/plan_check.h"

#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/parallel.h"
#include "engine/process_memory.h"
#include "nlohmann/json.hpp"
#include "tools/table.h"

namespace plumbline {
namespace {

double Relative(int64_t real, int64_t planned) {
  return static_cast<double>(real - planned) / static_cast<double>(planned);
}

int64_t WeightBytes(const PlanCheck& check, WorkClass work_class) {
  return check.weights.bytes[static_cast<size_t>(work_class)];
}

std::string SignedPercent(double share) { return absl::StrFormat("%+.2f%%", 100 * share); }

void AddPart(absl::string_view name, int64_t planned, int64_t real, Table& table) {
  table.AddRow({Cell::Text(name), Cell::Count(planned), Cell::Count(real),
                Cell::Text(planned == real ? "equal" : SignedPercent(Relative(real, planned)))});
}

std::string PartsText(const PlanCheck& check) {
  const MemoryPlan& plan = check.plan;
  Table table({"Memory, bytes", "planned", "real", "difference"});
  AddPart("  weights: projections", plan.weights.projections,
          WeightBytes(check, WorkClass::kProjections), table);
  AddPart("  weights: feed-forward", plan.weights.feed_forward,
          WeightBytes(check, WorkClass::kFeedForward), table);
  AddPart("  weights: head", plan.weights.head, WeightBytes(check, WorkClass::kHead), table);
  AddPart("  weights: embedding, vectors", plan.weights.embedding + plan.weights.vectors,
          WeightBytes(check, WorkClass::kOther), table);
  AddPart("  scratch: activations", plan.scratch.activations, check.scratch.activations, table);
  AddPart("  scratch: logits", plan.scratch.logits, check.scratch.logits, table);
  AddPart("  scratch: attention", plan.scratch.attention, check.scratch.attention, table);
  AddPart("  scratch: matmuls", plan.scratch.matmul, check.scratch.matmul, table);
  AddPart("  cache, whole pool", plan.cache.allocated_bytes, check.pool_bytes, table);
  table.AddRow({Cell::Text("  compiled matmuls"), Cell::Count(plan.compiled_bytes), Cell::None(),
                Cell::Text("measured")});
  AddPart("  process", plan.total(), check.real_bytes(), table);
  return table.ToString();
}

}  // namespace

double PlanCheck::difference() const { return Relative(real_bytes(), plan.total()); }

double PlanCheck::closed_form_difference() const {
  return Relative(real_bytes() - plan.compiled_bytes, plan.total() - plan.compiled_bytes);
}

bool PlanCheck::within_tolerance() const {
  return std::abs(difference()) <= kPlanTolerance &&
         std::abs(closed_form_difference()) <= kPlanTolerance;
}

absl::StatusOr<PlanCheck> StartPlanCheck(const GenerateSetup& setup) {
  const ModelOptions& options = setup.model_options;
  ReleaseFreeMemory();
  const absl::StatusOr<int64_t> baseline = AnonymousResidentBytes();
  if (!baseline.ok()) return baseline.status();
  MemoryShape shape;
  shape.config = setup.source->config();
  shape.weights = options.weights;
  shape.kv_dtype = options.kv_dtype;
  shape.block_tokens = options.block_tokens;
  shape.chunk_tokens = options.max_step_tokens;
  shape.max_running = options.max_step_spans;
  shape.threads = UsableThreads(options.threads);
  const auto footprint = MeasureMatmulFootprint(shape.config, shape.weights, shape.threads);
  if (!footprint.ok()) return footprint.status();
  shape.matmul = *footprint;
  PlanCheck check;
  check.baseline_bytes = *baseline;
  check.plan = PlanRun(shape, options.max_step_tokens, options.max_logit_rows, setup.cache_blocks);
  return check;
}

absl::Status FinishPlanCheck(const Model& model, const KvStore& store, PlanCheck* check) {
  const absl::StatusOr<int64_t> resident = AnonymousResidentBytes();
  if (!resident.ok()) return resident.status();
  check->resident_bytes = *resident;
  check->weights = model.weight_sizes();
  check->scratch = model.scratch_sizes();
  check->pool_bytes = store.allocated_bytes();
  return absl::OkStatus();
}

std::string PlanCheckReport(const PlanCheck& check) {
  const std::string verdict = check.within_tolerance()
                                  ? "The plan holds: the process is within 5% of it"
                                  : "THE PLAN IS OFF BY MORE THAN 5%";
  return absl::StrCat(
      "\n", PartsText(check),
      WrapText(absl::StrCat(verdict, ", ", SignedPercent(check.difference()), " in all and ",
                            SignedPercent(check.closed_form_difference()),
                            " without the compiled matmuls, which the plan measured.")),
      WrapText(absl::StrCat("Real: anonymous resident memory after the run, ",
                            FormatBytes(check.resident_bytes), ", less that before loading, ",
                            FormatBytes(check.baseline_bytes),
                            "; cache and scratch were written in full before the run. The rows "
                            "above it are sizes of the buffers themselves.")));
}

nlohmann::ordered_json PlanCheckJson(const PlanCheck& check) {
  nlohmann::ordered_json json;
  json["planned"] = MemoryPlanJson(check.plan);
  json["real"] = {{"weights",
                   {{"projections_bytes", WeightBytes(check, WorkClass::kProjections)},
                    {"feed_forward_bytes", WeightBytes(check, WorkClass::kFeedForward)},
                    {"head_bytes", WeightBytes(check, WorkClass::kHead)},
                    {"embedding_and_vectors_bytes", WeightBytes(check, WorkClass::kOther)}}},
                  {"scratch",
                   {{"activations_bytes", check.scratch.activations},
                    {"logits_bytes", check.scratch.logits},
                    {"attention_bytes", check.scratch.attention},
                    {"matmul_bytes", check.scratch.matmul}}},
                  {"pool_bytes", check.pool_bytes},
                  {"baseline_bytes", check.baseline_bytes},
                  {"resident_bytes", check.resident_bytes},
                  {"total_bytes", check.real_bytes()}};
  json["difference_percent"] = 100 * check.difference();
  json["closed_form_difference_percent"] = 100 * check.closed_form_difference();
  json["tolerance_percent"] = 100 * kPlanTolerance;
  json["within_tolerance"] = check.within_tolerance();
  return json;
}

}  // namespace plumbline
