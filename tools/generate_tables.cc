#include "tools/generate_tables.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/table.h"

namespace plumbline {
namespace {

using Counts = std::array<int64_t, kNumWorkClasses>;

// One quantity in three columns, by class. An article's figure of 0: it has none.
struct Figures {
  Counts measured = {};
  Counts formula = {};
  std::array<double, kNumWorkClasses> article = {};
  double article_total = 0;
};

void AddCounts(const Counts& from, Counts& to) {
  for (size_t c = 0; c < kNumWorkClasses; ++c) to[c] += from[c];
}

// MACs of some steps: the useful ones by class, and all that ran.
struct StepFigures {
  Figures macs;
  Figures bytes;
  MacCounts measured_macs;  // executed ones
  MacCounts formula_macs;
  int64_t measured_softmax_pairs = 0;  // with AddBytes: of whole steps
  int64_t formula_softmax_pairs = 0;

  void AddMacs(const RequestStep& step) {
    AddCounts(step.measured_macs.useful, macs.measured);
    AddCounts(step.formula_macs.useful, macs.formula);
    measured_macs += step.measured_macs;
    formula_macs += step.formula_macs;
  }
  void AddBytes(const RequestStep& step) {
    AddCounts(step.measured_bytes, bytes.measured);
    AddCounts(step.formula_bytes, bytes.formula);
    measured_softmax_pairs += step.measured_softmax_pairs;
    formula_softmax_pairs += step.formula_softmax_pairs;
  }
};

Cell ArticleCell(double figure) { return figure > 0 ? Cell::Figure(figure) : Cell::None(); }

void AddFigureRow(absl::string_view name, int64_t measured, int64_t formula, double article,
                  Table& table, absl::string_view mark = "!=") {
  // Where the counts agree the last column tells how the article's figure compares.
  const std::string ratio = article > 0 && measured > 0
                                ? absl::StrFormat("%.2f", article / static_cast<double>(measured))
                                : "";
  table.AddRow({Cell::Text(name), Cell::Count(measured), Cell::Count(formula), ArticleCell(article),
                Cell::Text(measured == formula ? ratio : mark)});
}

Table FigureTable(absl::string_view title) {
  Table table({std::string(title), "measured", "formula", "article", "ratio"});
  table.SetLeastWidths({28, 13, 13, 13, 5});
  return table;
}

void AddClassRows(const Figures& figures, Table& table) {
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    if (figures.measured[c] == 0 && figures.formula[c] == 0) continue;
    AddFigureRow(absl::StrCat("  ", WorkClassName(static_cast<WorkClass>(c))), figures.measured[c],
                 figures.formula[c], figures.article[c], table);
  }
  AddFigureRow("  total", Total(figures.measured), Total(figures.formula), figures.article_total,
               table);
}

std::string MacTable(absl::string_view title, const StepFigures& steps) {
  Table table = FigureTable(absl::StrCat("MACs, ", title));
  AddClassRows(steps.macs, table);
  AddFigureRow("  executed, whole tiles", steps.measured_macs.TotalExecuted(),
               steps.formula_macs.TotalExecuted(), 0, table);
  return table.ToString();
}

std::string ByteTable(absl::string_view title, const StepFigures& steps) {
  Table table = FigureTable(absl::StrCat("Bytes, ", title));
  AddClassRows(steps.bytes, table);
  AddFigureRow("  softmax: pairs, no bytes", steps.measured_softmax_pairs,
               steps.formula_softmax_pairs, 0, table);
  return table.ToString();
}

void AddStepRow(absl::string_view name, const RequestStep& step, Table& table) {
  table.AddRow({Cell::Text(name), Cell::Text(FormatSeconds(step.seconds)),
                Cell::Count(step.context_tokens), Cell::Count(step.measured_macs.TotalUseful()),
                Cell::Count(Total(step.measured_bytes))});
}

void AddArticlePrefill(const GenerateRun& run, int64_t tokens, Figures& figures) {
  const auto by_class = ArticlePrefillMacsByClass(run.shape, tokens);
  for (size_t c = 0; c < kNumWorkClasses; ++c) figures.article[c] += by_class[c];
  figures.article_total += ArticlePrefillMacs(run.shape, tokens);
}

// A step reads all of the cache, half of it keys and half values.
void SetArticleCache(double bytes, Figures& figures) {
  figures.article[static_cast<size_t>(WorkClass::kScores)] = bytes / 2;
  figures.article[static_cast<size_t>(WorkClass::kWeightedValues)] = bytes / 2;
  figures.article_total = bytes;
}

// L x A2_CACHED_STEP, t d, for one new token; L x A2_NAIVE_STEP, t^2 d, where a step recomputes all
// t of them, and its share where a chunk does.
double ArticleStepMacs(const GenerateRun& run, const RequestStep& step) {
  const double one = ArticleDecodeMacs(run.shape, step.context_tokens);
  return run.no_cache ? one * step.new_tokens : one;
}

// For one request: its prefill, and its last decode step.
std::string OneRequestFigures(const GenerateRun& run) {
  const RequestResult& result = run.requests[0].result;
  const size_t first_decode = FirstDecodeStep(result);
  StepFigures prefill;
  for (size_t i = 0; i < first_decode; ++i) {
    prefill.AddMacs(result.steps[i]);
    prefill.AddBytes(result.steps[i]);
  }
  std::string out;
  if (first_decode > 0) {
    const int64_t tokens = result.steps[first_decode - 1].context_tokens;
    const std::string title =
        absl::StrCat("prefill of ", FormatCount(tokens), tokens == 1 ? " token" : " tokens");
    AddArticlePrefill(run, tokens, prefill.macs);
    absl::StrAppend(&out, "\n", MacTable(title, prefill), "\n", ByteTable(title, prefill));
  }
  if (first_decode < result.steps.size()) {
    const RequestStep& last = result.steps.back();
    const std::string title = absl::StrCat("last step, context ", FormatCount(last.context_tokens));
    StepFigures decode;
    decode.AddMacs(last);
    decode.AddBytes(last);
    decode.macs.article_total = ArticleStepMacs(run, last);
    if (!run.no_cache)
      SetArticleCache(ArticleKvBytes(run.shape, last.context_tokens), decode.bytes);
    absl::StrAppend(&out, "\n", MacTable(title, decode), "\n", ByteTable(title, decode));
  }
  return out;
}

// For several requests: all prefills, all decode steps, and the bytes of all steps, each of which
// several requests may share.
std::string ManyRequestFigures(const GenerateRun& run) {
  StepFigures prefill;
  StepFigures decode;
  std::map<double, const RequestStep*> steps;  // by end: the same for all requests of a step
  for (const GeneratedRequest& request : run.requests) {
    const RequestResult& result = request.result;
    const size_t first_decode = FirstDecodeStep(result);
    for (size_t i = 0; i < result.steps.size(); ++i) {
      const RequestStep& step = result.steps[i];
      (i < first_decode ? prefill : decode).AddMacs(step);
      steps[step.end_seconds] = &step;
      if (i + 1 == first_decode) AddArticlePrefill(run, step.context_tokens, prefill.macs);
      if (i >= first_decode) {
        decode.macs.article_total += ArticleStepMacs(run, step);
      }
    }
  }
  StepFigures all;
  for (const auto& [end, step] : steps) all.AddBytes(*step);
  std::string out = absl::StrCat("\n", MacTable("prefill", prefill));
  if (Total(decode.macs.measured) > 0) absl::StrAppend(&out, "\n", MacTable("decode", decode));
  return absl::StrCat(out, "\n", ByteTable(absl::StrCat(steps.size(), " steps"), all));
}

std::string PreemptionNote(const PreemptionStats& stats) {
  const int64_t all = stats.recomputed + stats.swapped;
  if (all == 0) return "";
  return absl::StrCat(
      "  ", WrapText(absl::StrFormat(
                         "preempted: %s times, for want of blocks; %s were computed "
                         "again, %s swapped (%s blocks out, %s back, %s in all)",
                         FormatCount(all), FormatCount(stats.recomputed),
                         FormatCount(stats.swapped), FormatCount(stats.swapped_out_blocks),
                         FormatCount(stats.swapped_in_blocks), FormatBytes(stats.swapped_bytes)),
                     2, kTerminalColumns - 2));
}

}  // namespace

size_t FirstDecodeStep(const RequestResult& result) {
  if (result.first_token_seconds < 0) return result.steps.size();
  size_t step = 0;
  while (step < result.steps.size() &&
         result.steps[step].end_seconds <= result.first_token_seconds) {
    ++step;
  }
  return step;
}

RequestStep MedianDecodeStep(const RequestResult& result) {
  std::vector<RequestStep> steps(
      result.steps.begin() + static_cast<std::ptrdiff_t>(FirstDecodeStep(result)),
      result.steps.end());
  const auto median = steps.begin() + static_cast<std::ptrdiff_t>((steps.size() - 1) / 2);
  std::nth_element(steps.begin(), median, steps.end(),
                   [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  return *median;
}

bool WasCutOff(const RequestResult& result) {
  return result.reason == FinishReason::kCancelled || result.reason == FinishReason::kExpired ||
         result.reason == FinishReason::kError;
}

std::string DecodeStepTable(const GenerateRun& run) {
  Table table({"Decode step", "time", "context", "MACs", "bytes"});
  table.SetLeastWidths({14, 12, 12, 16, 16});
  bool any = false;
  for (size_t i = 0; i < run.requests.size(); ++i) {
    const RequestResult& result = run.requests[i].result;
    const size_t first = FirstDecodeStep(result);
    if (first == result.steps.size()) continue;
    any = true;
    const std::string request =
        run.requests.size() > 1 ? absl::StrCat("request ", i + 1, ", ") : "";
    AddStepRow(absl::StrCat("  ", request, "first"), result.steps[first], table);
    AddStepRow(absl::StrCat("  ", request, "median"), MedianDecodeStep(result), table);
    AddStepRow(absl::StrCat("  ", request, "last"), result.steps.back(), table);
  }
  return any ? absl::StrCat("\n", table.ToString()) : "";
}

std::string FigureTables(const GenerateRun& run) {
  return run.requests.size() == 1 ? OneRequestFigures(run) : ManyRequestFigures(run);
}

std::string CacheTable(const GenerateRun& run) {
  RequestCache sum;
  double article = 0;
  int64_t slots = 0;
  // A request that was cut off may not have stored all that the formula is for: no fault, then.
  absl::string_view mark = "!=";
  for (const GeneratedRequest& request : run.requests) {
    const RequestCache& cache = request.result.cache;
    sum.used_bytes_measured += cache.used_bytes_measured;
    sum.used_bytes_formula += cache.used_bytes_formula;
    sum.allocated_bytes_measured += cache.allocated_bytes_measured;
    sum.allocated_bytes_formula += cache.allocated_bytes_formula;
    sum.blocks += cache.blocks;
    sum.shared_blocks += cache.shared_blocks;
    sum.waste_tokens += cache.waste_tokens;
    slots += cache.blocks * cache.block_tokens;
    if (WasCutOff(request.result)) mark = "cut off";
    const auto tokens =
        static_cast<int64_t>(request.result.prompt.size() + request.result.output.size()) - 1;
    article += ArticleKvBytes(run.shape, std::max<int64_t>(0, tokens));
  }
  Table table = FigureTable("Bytes of the cache");
  AddFigureRow("  used", sum.used_bytes_measured, sum.used_bytes_formula, article, table, mark);
  AddFigureRow("  allocated", sum.allocated_bytes_measured, sum.allocated_bytes_formula, 0, table,
               mark);
  table.AddRow(
      {Cell::Text("  whole pool"), Cell::Count(run.pool_bytes), Cell::None(), Cell::None()});
  const double waste =
      slots > 0 ? 100.0 * static_cast<double>(sum.waste_tokens) / static_cast<double>(slots) : 0.0;
  std::string notes = absl::StrCat(
      "  ",
      WrapText(absl::StrFormat("waste: %s of %s slots hold no token (%.1f%%); %s blocks of %d "
                               "tokens",
                               FormatCount(sum.waste_tokens), FormatCount(slots), waste,
                               FormatCount(sum.blocks), run.shape.block_tokens),
               2, kTerminalColumns - 2));
  if (sum.shared_blocks > 0 || run.prefix.hit_tokens > 0) {
    absl::StrAppend(
        &notes, "  ",
        WrapText(
            absl::StrFormat("shared: %s of these blocks, each counted for every request that "
                            "holds it; %s of %s tokens looked for were there (%.1f%%)",
                            FormatCount(sum.shared_blocks), FormatCount(run.prefix.hit_tokens),
                            FormatCount(run.prefix.lookup_tokens), 100 * run.prefix.hit_rate()),
            2, kTerminalColumns - 2));
  }
  return absl::StrCat("\n", table.ToString(), notes, PreemptionNote(run.preemption));
}

}  // namespace plumbline
