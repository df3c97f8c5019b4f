// How a plan reads, as text.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/plan.h"
#include "tools/plan_times.h"
#include "tools/table.h"

namespace plumbline {
namespace {

std::string Size(int64_t bytes) { return FormatSi(static_cast<double>(bytes)) + "B"; }

std::string DtypeHeading(size_t i) { return absl::StrCat(KvDtypeName(kPlanDtypes[i]), " cache"); }

std::string PlanHeading(const Plan& plan) {
  std::string out = WrapText(absl::StrCat(
      CutText(Printable(plan.config.name), 40), " (", plan.config.architecture, "), weights ",
      WeightDtypeName(plan.weights), ", ", FormatThreads(plan.threads)));
  absl::StrAppend(
      &out, WrapText(absl::StrCat("Memory: ", FormatBytes(plan.memory_bytes),
                                  plan.what_if ? " as given with " : " free here, says ",
                                  Printable(plan.memory_source),
                                  plan.what_if ? ": a what-if. Times below are of this machine, "
                                                 "not of whatever has that memory."
                                               : "."),
                     2));
  absl::StrAppend(&out,
                  WrapText(absl::StrCat("Target: ", FormatCount(plan.requests),
                                        plan.requests == 1 ? " request" : " requests", " of ",
                                        FormatCount(plan.context), " tokens; steps of up to ",
                                        FormatCount(plan.chunk_tokens), " tokens; cache blocks of ",
                                        FormatCount(plan.block_tokens), "."),
                           2));
  return out;
}

// One row of bytes for two dtypes of the cache.
template <class Bytes>
void AddBytes(const HeadsPlan& heads, size_t first, absl::string_view name, const Bytes& bytes,
              Table& table) {
  std::vector<Cell> cells = {Cell::Text(name)};
  for (size_t i = first; i < first + 2; ++i) cells.push_back(Cell::Count(bytes(heads.plans[i])));
  table.AddRow(std::move(cells));
}

// Of cache dtypes `first` and the next: all of them side by side are wider than a terminal.
std::string BytesTable(const Plan& plan, size_t first) {
  const HeadsPlan& own = plan.own();
  Table table({"Resident bytes", DtypeHeading(first), DtypeHeading(first + 1)});
  const auto add = [&](const char* name, auto bytes) { AddBytes(own, first, name, bytes, table); };
  using P = const MemoryPlan&;
  add("  weights: projections", [](P p) { return p.weights.projections; });
  add("  weights: feed-forward", [](P p) { return p.weights.feed_forward; });
  add("  weights: head", [](P p) { return p.weights.head; });
  add("  weights: embedding", [](P p) { return p.weights.embedding; });
  add("  weights: norms and biases", [](P p) { return p.weights.vectors; });
  add("  scratch: activations", [](P p) { return p.scratch.activations; });
  add("  scratch: logits", [](P p) { return p.scratch.logits; });
  add("  scratch: attention", [](P p) { return p.scratch.attention; });
  add("  scratch: matmuls", [](P p) { return p.scratch.matmul; });
  add("  compiled matmuls", [](P p) { return p.compiled_bytes; });
  add("  cache", [](P p) { return p.cache.allocated_bytes; });
  add("  total", [](P p) { return p.total(); });
  add("Most while loading", [](P p) { return p.load_peak_bytes; });
  add("Cache of one token", [](P p) { return p.cache.token_bytes; });
  add("Cache of one block", [](P p) { return p.cache.block_bytes; });
  add("Waste: slots without a token", [](P p) { return p.cache.waste_bytes(); });
  return table.ToString();
}

std::string BytesNotes(const Plan& plan) {
  const MemoryPlan& first = plan.own().plans[0];
  return WrapText(absl::StrCat("Padding of the packed weights is ",
                               FormatBytes(first.weights.padding),
                               " of the above. The matmuls were compiled now, and what they take "
                               "was measured; all else is in closed form."));
}

std::string HeadsTable(const Plan& plan) {
  Table table(
      {"What fits", "KV heads", "cache", "token bytes", "total bytes", "context", "requests"});
  for (const HeadsPlan& heads : plan.heads) {
    for (size_t i = 0; i < kPlanDtypes.size(); ++i) {
      table.AddRow({Cell::Text(absl::StrCat("  ", heads.name, heads.own ? " *" : "")),
                    Cell::Count(heads.kv_heads), Cell::Text(KvDtypeName(kPlanDtypes[i])),
                    Cell::Count(heads.plans[i].cache.token_bytes),
                    Cell::Count(heads.plans[i].total()), Cell::Count(heads.largest_context[i]),
                    Cell::Count(heads.most_requests[i])});
    }
  }
  return table.ToString();
}

std::string HeadsNotes(const Plan& plan) {
  std::string out = WrapText(absl::StrCat(
      "*: the model's own. Total bytes: of the target. Context: the largest of each of ",
      FormatCount(plan.requests), plan.requests == 1 ? " request" : " requests", ", as far as ",
      Size(plan.memory_bytes), " go; the model itself knows ", FormatCount(plan.config.context),
      " positions. Requests: the most of ", FormatCount(plan.context), " tokens each."));
  const ByDtype<MemoryPlan>& plans = plan.own().plans;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (Fits(plans[i], plan.memory_bytes)) continue;
    absl::StrAppend(
        &out, WrapText(absl::StrCat("The target does not fit with a cache of ",
                                    KvDtypeName(kPlanDtypes[i]), ": ", Size(plans[i].needed()),
                                    " needed, ", Size(plan.memory_bytes), " there.")));
  }
  return out;
}

void AddTimes(const HeadsPlan& heads, const std::vector<PlanTime>& times, bool batches,
              Table& table) {
  for (const PlanTime& time : times) {
    std::vector<Cell> cells = {Cell::Text(absl::StrCat("  ", heads.name, heads.own ? " *" : "")),
                               Cell::Count(time.tokens)};
    if (batches) cells.push_back(Cell::Count(time.batch));
    for (const double seconds : time.seconds) cells.push_back(Cell::Text(FormatSeconds(seconds)));
    table.AddRow(std::move(cells));
  }
}

// Where times end before the target does, and why.
std::string TimesNotes(const Plan& plan) {
  std::string out;
  if (plan.longest_decode < plan.context) {
    absl::StrAppend(&out,
                    WrapText(absl::StrCat("No times beyond ", FormatCount(plan.longest_decode),
                                          " tokens: longer ones are not predicted.")));
  }
  if (plan.longest_prompt < plan.longest_decode) {
    absl::StrAppend(&out, WrapText(absl::StrCat(
                              "No times to first token beyond ", FormatCount(plan.longest_prompt),
                              " tokens: prompts of more than ", FormatCount(kMostPredictedSteps),
                              " steps are not predicted. Raise --chunk-tokens.")));
  }
  if (plan.wished_prompt > plan.longest_prompt) {
    absl::StrAppend(&out, WrapText(absl::StrCat("So there is none for the prompt of ",
                                                FormatCount(plan.wished_prompt), " tokens.")));
  }
  return out;
}

std::string TimesTables(const Plan& plan) {
  if (!plan.times_missing.empty()) {
    return WrapText(absl::StrCat("No times: ", plan.times_missing));
  }
  Table ttft({"Time to first token", "prompt", DtypeHeading(0), DtypeHeading(1), DtypeHeading(2),
              DtypeHeading(3)});
  Table decode({"Decode step", "context", "batch", DtypeHeading(0), DtypeHeading(1),
                DtypeHeading(2), DtypeHeading(3)});
  for (const HeadsPlan& heads : plan.heads) {
    AddTimes(heads, heads.ttft, false, ttft);
    AddTimes(heads, heads.decode, true, decode);
  }
  return absl::StrCat(
      ttft.ToString(), "\n", decode.ToString(),
      WrapText("Predicted from the machine profile, at the rates it was measured with. The prompt "
               "runs alone; a batch decodes one token of each request."),
      TimesNotes(plan));
}

}  // namespace

std::string PlanReport(const Plan& plan) {
  return absl::StrCat(PlanHeading(plan), "\n", BytesTable(plan, 0), "\n", BytesTable(plan, 2),
                      BytesNotes(plan), "\n", HeadsTable(plan), HeadsNotes(plan), "\n",
                      TimesTables(plan));
}

}  // namespace plumbline
