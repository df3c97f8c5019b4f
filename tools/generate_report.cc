#include "tools/generate_report.h"

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

void Add(const Counts& from, Counts& to) {
  for (size_t c = 0; c < kNumWorkClasses; ++c) to[c] += from[c];
}

// MACs of some steps: the useful ones by class, and all that ran.
struct StepFigures {
  Figures macs;
  Figures bytes;
  MacCounts measured_macs;  // executed ones
  MacCounts formula_macs;

  void AddMacs(const RequestStep& step) {
    Add(step.measured_macs.useful, macs.measured);
    Add(step.formula_macs.useful, macs.formula);
    measured_macs += step.measured_macs;
    formula_macs += step.formula_macs;
  }
  void AddBytes(const RequestStep& step) {
    Add(step.measured_bytes, bytes.measured);
    Add(step.formula_bytes, bytes.formula);
  }
};

Cell ArticleCell(double figure) { return figure > 0 ? Cell::Figure(figure) : Cell::None(); }

void AddFigureRow(absl::string_view name, int64_t measured, int64_t formula, double article,
                  Table& table) {
  table.AddRow({Cell::Text(name), Cell::Count(measured), Cell::Count(formula), ArticleCell(article),
                Cell::Text(measured == formula ? "" : "!=")});
}

Table FigureTable(absl::string_view title) {
  return Table({std::string(title), "measured", "formula", "article", ""});
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
  AddFigureRow("  run, whole tiles", steps.measured_macs.TotalExecuted(),
               steps.formula_macs.TotalExecuted(), 0, table);
  return table.ToString();
}

std::string ByteTable(absl::string_view title, const StepFigures& steps) {
  Table table = FigureTable(absl::StrCat("Bytes, ", title));
  AddClassRows(steps.bytes, table);
  return table.ToString();
}

// The steps after the one that gave the first token.
size_t FirstDecodeStep(const RequestResult& result) {
  if (result.first_token_seconds < 0) return result.steps.size();
  size_t step = 0;
  while (step < result.steps.size() &&
         result.steps[step].end_seconds <= result.first_token_seconds) {
    ++step;
  }
  return step;
}

void AddStepRow(absl::string_view name, const RequestStep& step, Table& table) {
  table.AddRow({Cell::Text(name), Cell::Text(FormatSeconds(step.seconds)),
                Cell::Count(step.context_tokens), Cell::Count(step.measured_macs.TotalUseful()),
                Cell::Count(Total(step.measured_bytes))});
}

// First, median and last decode step of each request. The median is a step that really was (the
// lower one of two), so that its context is known.
std::string DecodeStepTable(const GenerateRun& run) {
  Table table({"Decode step", "time", "context", "MACs", "bytes"});
  bool any = false;
  for (size_t i = 0; i < run.requests.size(); ++i) {
    const RequestResult& result = run.requests[i].result;
    std::vector<RequestStep> steps(
        result.steps.begin() + static_cast<std::ptrdiff_t>(FirstDecodeStep(result)),
        result.steps.end());
    if (steps.empty()) continue;
    any = true;
    const std::string request =
        run.requests.size() > 1 ? absl::StrCat("request ", i + 1, ", ") : "";
    AddStepRow(absl::StrCat("  ", request, "first"), steps.front(), table);
    const RequestStep last = steps.back();
    const auto median = steps.begin() + static_cast<std::ptrdiff_t>((steps.size() - 1) / 2);
    std::nth_element(steps.begin(), median, steps.end(),
                     [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
    AddStepRow(absl::StrCat("  ", request, "median"), *median, table);
    AddStepRow(absl::StrCat("  ", request, "last"), last, table);
  }
  return any ? absl::StrCat("\n", table.ToString()) : "";
}

std::string Rate(double tokens, double seconds) {
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
                  Cell::Text(Rate(static_cast<double>(result.output.size()) - 1, decode))});
  }
  return table.ToString();
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
    AddArticlePrefill(run, tokens, prefill.macs);
    absl::StrAppend(&out, "\n", MacTable(absl::StrCat("prefill of ", tokens), prefill), "\n",
                    ByteTable(absl::StrCat("prefill of ", tokens), prefill));
  }
  if (first_decode < result.steps.size()) {
    const RequestStep& last = result.steps.back();
    StepFigures decode;
    decode.AddMacs(last);
    decode.AddBytes(last);
    decode.macs.article_total = ArticleDecodeMacs(run.shape, last.context_tokens);
    SetArticleCache(ArticleKvBytes(run.shape, last.context_tokens), decode.bytes);
    absl::StrAppend(&out, "\n", MacTable("last step", decode), "\n",
                    ByteTable("last step", decode));
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
        decode.macs.article_total += ArticleDecodeMacs(run.shape, step.context_tokens);
      }
    }
  }
  StepFigures all;
  for (const auto& [end, step] : steps) all.AddBytes(*step);
  std::string out = absl::StrCat("\n", MacTable("prefill", prefill));
  if (Total(decode.macs.measured) > 0) absl::StrAppend(&out, "\n", MacTable("decode", decode));
  return absl::StrCat(out, "\n", ByteTable(absl::StrCat(steps.size(), " steps"), all));
}

std::string CacheTable(const GenerateRun& run) {
  RequestCache sum;
  double article = 0;
  int64_t slots = 0;
  for (const GeneratedRequest& request : run.requests) {
    const RequestCache& cache = request.result.cache;
    sum.used_bytes_measured += cache.used_bytes_measured;
    sum.used_bytes_formula += cache.used_bytes_formula;
    sum.allocated_bytes_measured += cache.allocated_bytes_measured;
    sum.allocated_bytes_formula += cache.allocated_bytes_formula;
    sum.blocks += cache.blocks;
    sum.waste_tokens += cache.waste_tokens;
    slots += cache.blocks * cache.block_tokens;
    const auto tokens =
        static_cast<int64_t>(request.result.prompt.size() + request.result.output.size()) - 1;
    article += ArticleKvBytes(run.shape, std::max<int64_t>(0, tokens));
  }
  Table table = FigureTable("Bytes of the cache");
  AddFigureRow("  used", sum.used_bytes_measured, sum.used_bytes_formula, article, table);
  AddFigureRow("  allocated", sum.allocated_bytes_measured, sum.allocated_bytes_formula, 0, table);
  const double waste =
      slots > 0 ? 100.0 * static_cast<double>(sum.waste_tokens) / static_cast<double>(slots) : 0.0;
  return absl::StrCat(
      "\n", table.ToString(),
      WrapText(absl::StrFormat("  waste: %s of %s slots hold no token (%.1f%%); %s blocks of %d "
                               "tokens; whole cache: %s",
                               FormatCount(sum.waste_tokens), FormatCount(slots), waste,
                               FormatCount(sum.blocks), run.shape.block_tokens,
                               FormatBytes(run.pool_bytes)),
               2));
}

std::string Heading(const GenerateRun& run) {
  std::string out = WrapText(absl::StrCat(
      CutText(Printable(run.config.name), 40), " (", run.config.architecture, "), weights ",
      WeightDtypeName(run.weights), " ", FormatSi(static_cast<double>(run.weight_bytes)),
      "B, cache ", KvDtypeName(run.kv_dtype), ", ", run.threads,
      run.threads == 1 ? " thread" : " threads"));
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

std::string Verdict(const GenerateRun& run) {
  const Agreement agreement = CompareWithFormulas(run);
  if (agreement.differences == 0) {
    return WrapText(absl::StrCat("All ", FormatCount(agreement.figures),
                                 " counts equal their formulas, to the unit."));
  }
  return WrapText(absl::StrCat("!= ", FormatCount(agreement.differences), " of ",
                               FormatCount(agreement.figures),
                               " counts differ from their formulas: a bug, or a finding."));
}

void Compare(const Counts& measured, const Counts& formula, Agreement& agreement) {
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    ++agreement.figures;
    if (measured[c] != formula[c]) ++agreement.differences;
  }
}

}  // namespace

Agreement CompareWithFormulas(const GenerateRun& run) {
  Agreement agreement;
  for (const GeneratedRequest& request : run.requests) {
    const RequestResult& result = request.result;
    for (const RequestStep& step : result.steps) {
      Compare(step.measured_macs.useful, step.formula_macs.useful, agreement);
      Compare(step.measured_macs.executed, step.formula_macs.executed, agreement);
      Compare(step.measured_bytes, step.formula_bytes, agreement);
    }
    if (result.reason == FinishReason::kCancelled || result.reason == FinishReason::kError)
      continue;
    agreement.figures += 2;
    const RequestCache& cache = result.cache;
    if (cache.used_bytes_measured != cache.used_bytes_formula) ++agreement.differences;
    if (cache.allocated_bytes_measured != cache.allocated_bytes_formula) ++agreement.differences;
  }
  return agreement;
}

std::string GenerateReport(const GenerateRun& run) {
  const bool one = run.requests.size() == 1;
  return absl::StrCat(one ? "\n\n" : Texts(run) + "\n", Heading(run), "\n", RequestTable(run),
                      DecodeStepTable(run), one ? OneRequestFigures(run) : ManyRequestFigures(run),
                      CacheTable(run), "\n", Verdict(run));
}

}  // namespace plumbline
