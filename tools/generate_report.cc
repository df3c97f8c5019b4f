#include "tools/generate_report.h"

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/generate_tables.h"
#include "tools/generate_times.h"
#include "tools/plan_check.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr const char* kLegend =
    "MAC: one multiply-accumulate. k, M, G are 1e3, 1e6, 1e9. article: what the two\n"
    "articles' own formulas give for this shape; - where they have none.\n";

std::string RateText(double tokens, double seconds) {
  return tokens > 0 && seconds > 0 ? FormatSi(tokens / seconds) : "-";
}

std::string RequestTable(const GenerateRun& run) {
  Table table(
      {"Request", "prompt", "output", "finish", "queue", "prefill", "first token", "tokens/s"});
  for (size_t i = 0; i < run.requests.size(); ++i) {
    const RequestResult& result = run.requests[i].result;
    const double ttft = result.ttft_seconds();
    const double decode = result.finish_seconds - result.first_token_seconds;
    table.AddRow({Cell::Text(absl::StrCat("  ", i + 1)),
                  Cell::Count(static_cast<int64_t>(result.prompt.size())),
                  Cell::Count(static_cast<int64_t>(result.output.size())),
                  Cell::Text(FinishReasonName(result.reason)),
                  Cell::Text(FormatSeconds(result.queue_seconds())),
                  Cell::Text(FormatSeconds(ttft < 0 ? ttft : ttft - result.queue_seconds())),
                  Cell::Text(FormatSeconds(ttft)),
                  Cell::Text(RateText(static_cast<double>(result.output.size()) - 1, decode))});
  }
  return table.ToString();
}

std::string RunHeading(const GenerateRun& run) {
  std::string out = WrapText(absl::StrCat(
      CutText(Printable(run.config.name), 40), " (", run.config.architecture, "), weights ",
      WeightDtypeName(run.weights), " ", FormatSi(static_cast<double>(run.weight_bytes)),
      "B, cache ", KvDtypeName(run.kv_dtype), ", ", FormatThreads(run.threads)));
  if (run.no_cache) {
    absl::StrAppend(&out, WrapText("Without a cache: each token recomputes its whole context from "
                                   "position 0, one request at a time. A step's cache is its "
                                   "working set."));
  }
  if (!run.same_bits_exception.empty()) {
    absl::StrAppend(&out, WrapText(absl::StrCat("Same bits is not promised here: ",
                                                Printable(run.same_bits_exception)),
                                   2));
  }
  return out;
}

std::string Texts(const GenerateRun& run) {
  std::string out;
  for (size_t i = 0; i < run.requests.size(); ++i) {
    absl::StrAppend(&out, "--- request ", i + 1, ": ",
                    CutText(Printable(run.requests[i].prompt), 60), "\n", run.requests[i].text,
                    "\n");
  }
  return out;
}

}  // namespace

CountAgreement CompareWithFormulas(const GenerateRun& run) {
  CountAgreement agreement;
  for (const GeneratedRequest& request : run.requests) {
    const RequestResult& result = request.result;
    for (const RequestStep& step : result.steps) {
      agreement.Compare(step.measured_macs, step.formula_macs);
      agreement.Compare(step.measured_bytes, step.formula_bytes);
      agreement.Compare(step.measured_softmax_pairs, step.formula_softmax_pairs);
    }
    if (WasCutOff(result)) continue;
    agreement.Compare(result.cache.used_bytes_measured, result.cache.used_bytes_formula);
    agreement.Compare(result.cache.allocated_bytes_measured, result.cache.allocated_bytes_formula);
  }
  return agreement;
}

std::string GenerateReport(const GenerateRun& run) {
  const bool one = run.requests.size() == 1;
  return absl::StrCat(one ? "\n\n" : Texts(run) + "\n", RunHeading(run), "\n", RequestTable(run),
                      DecodeStepTable(run), TimeTables(run), FigureTables(run), CacheTable(run),
                      ArticleNotes(run), "\n", AgreementText(CompareWithFormulas(run)), kLegend,
                      run.plan_check == nullptr ? "" : PlanCheckReport(*run.plan_check));
}

}  // namespace plumbline
