#include "tools/compare_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr std::array<CompareVerdict, 4> kVerdictOrder = {
    CompareVerdict::kBetter, CompareVerdict::kWorse, CompareVerdict::kChanged,
    CompareVerdict::kIndistinguishable};

struct MetricLabel {
  const char* name;
  const char* label;
};
constexpr std::array<MetricLabel, 20> kMetricLabels = {{{"ttft", "first token"},
                                                        {"queue", "queue"},
                                                        {"prefill", "prefill"},
                                                        {"stalled", "stalled"},
                                                        {"preempted", "preempted"},
                                                        {"itl", "between tokens"},
                                                        {"tpot", "mean gap"},
                                                        {"e2e", "end to end"},
                                                        {"requests", "requests/s"},
                                                        {"goodput", "goodput, /s"},
                                                        {"good", "met the goals"},
                                                        {"output", "output tokens/s"},
                                                        {"input", "prompt tokens/s"},
                                                        {"running", "running, mean"},
                                                        {"waiting", "waiting, mean"},
                                                        {"cache", "cache in use"},
                                                        {"waste", "cache slots wasted"},
                                                        {"hits", "found in the cache"},
                                                        {"preemptions", "preemptions/request"},
                                                        {"prediction", "measured / predicted"}}};

std::string LabelOf(const MetricComparison& metric) {
  const auto* found = std::find_if(kMetricLabels.begin(), kMetricLabels.end(),
                                   [&](const MetricLabel& l) { return l.name == metric.name; });
  const std::string label = found == kMetricLabels.end() ? metric.name : found->label;
  return absl::StrCat("  ", label, metric.quantile.empty() ? "" : " ", metric.quantile);
}

// Those that people ask for first.
bool IsMain(const MetricComparison& metric) {
  constexpr std::array<MetricLabel, 8> kMain = {{{"ttft", "p50"},
                                                 {"ttft", "p95"},
                                                 {"itl", "p50"},
                                                 {"itl", "p99"},
                                                 {"e2e", "p50"},
                                                 {"requests", ""},
                                                 {"goodput", ""},
                                                 {"output", ""}}};
  return std::any_of(kMain.begin(), kMain.end(), [&metric](const MetricLabel& main) {
    return main.name == metric.name && main.label == metric.quantile;
  });
}

std::string ComparedText(double value, const std::string& unit) {
  if (std::isnan(value)) return "-";
  if (unit == "seconds") return FormatSeconds(value);
  if (unit == "share") return absl::StrFormat("%.2f%%", 100 * value);
  return value >= 1000 ? FormatSi(value) : absl::StrFormat("%.4g", value);
}

// With its sign; a share in percent, or as a factor from ten times on.
std::string ChangeText(double change, const MetricComparison& metric) {
  if (std::isnan(change)) return "-";
  if (metric.relative) {
    if (std::isinf(change) || change >= 1e6) return "> 1e6 x";
    return change >= 9 ? absl::StrFormat("%.3g x", change + 1)
                       : absl::StrFormat("%+.1f%%", 100 * change);
  }
  if (change == 0) return "0";
  return absl::StrCat(change < 0 ? "-" : "+", ComparedText(std::abs(change), metric.unit));
}

std::string VerdictTable(const LoadComparison& comparison, CompareVerdict verdict, bool all) {
  constexpr std::array<const char*, 4> kHeadings = {"Better", "Worse", "Changed",
                                                    "Indistinguishable"};
  const char* heading =
      comparison.undecided() ? "Undecided" : kHeadings[static_cast<size_t>(verdict)];
  Table table({heading, "A", "B", "change", "from", "to"});
  table.SetLeastWidths({27, 9, 9, 8, 8, 8});
  bool any = false;
  for (const MetricComparison& metric : comparison.metrics) {
    if (metric.verdict != verdict) continue;
    if (verdict == CompareVerdict::kIndistinguishable && !all &&
        (!metric.known() || !IsMain(metric))) {
      continue;
    }
    any = true;
    table.AddRow({{LabelOf(metric), ""},
                  Cell::Text(ComparedText(metric.a, metric.unit)),
                  Cell::Text(ComparedText(metric.b, metric.unit)),
                  Cell::Text(ChangeText(metric.change.value, metric)),
                  Cell::Text(ChangeText(metric.change.low, metric)),
                  Cell::Text(ChangeText(metric.change.high, metric))});
  }
  return any ? absl::StrCat(table.ToString(), "\n") : "";
}

std::string Headline(const LoadComparison& comparison) {
  if (comparison.undecided()) {
    return WrapText(
        absl::StrCat("B against A: undecided, because the machine drifted in every "
                     "repetition of ",
                     !comparison.b.drifted   ? "A"
                     : !comparison.a.drifted ? "B"
                                             : "both",
                     ". Run it again while the machine is quieter."));
  }
  std::vector<std::string> parts;
  for (const CompareVerdict verdict : kVerdictOrder) {
    const int64_t count = comparison.Count(verdict);
    if (verdict == CompareVerdict::kChanged && count == 0) continue;
    parts.push_back(absl::StrCat(count, " ", CompareVerdictName(verdict)));
  }
  return absl::StrCat("B against A: ", absl::StrJoin(parts, ", "), "\n");
}

std::string FileLine(const char* letter, const std::string& file) {
  return WrapText(absl::StrCat(letter, ": ", CutText(Printable(file), kTerminalColumns - 4)));
}

std::string DifferencesText(const std::vector<SettingDifference>& differences) {
  std::string text;
  const auto describe = [](const SettingDifference& entry) {
    return absl::StrCat(entry.name, " (A: ", entry.a.empty() ? "none" : Printable(entry.a),
                        ", B: ", entry.b.empty() ? "none" : Printable(entry.b), ")");
  };
  std::vector<std::string> warnings;
  std::vector<std::string> settings;
  for (const SettingDifference& entry : differences) {
    (entry.warning ? warnings : settings).push_back(describe(entry));
  }
  if (!warnings.empty()) {
    absl::StrAppend(
        &text,
        WrapText(absl::StrCat("Warning, not the same test: ", absl::StrJoin(warnings, "; "), "."),
                 2));
  }
  if (!settings.empty()) {
    absl::StrAppend(
        &text, WrapText(absl::StrCat("What differs: ", absl::StrJoin(settings, "; "), "."), 2));
  }
  return text;
}

std::string RunNotes(const char* letter, const RunSummary& run) {
  std::string text;
  if (run.interrupted) {
    absl::StrAppend(&text, letter, " was interrupted: it ran less than its workload.\n");
  }
  if (run.most_drift > kMostDrift) {
    absl::StrAppend(
        &text,
        WrapText(absl::StrFormat("%s drifted: the machine's anchors changed by up to %.0f%% "
                                 "during a repetition; %d of %d left out.",
                                 letter, 100 * run.most_drift,
                                 run.drifted ? run.repetitions : run.discarded, run.repetitions),
                 2));
  }
  return text;
}

std::string MethodNote(const LoadComparison& comparison) {
  const auto resampled = [](const RunSummary& run) {
    return run.whole ? absl::StrCat(run.rounds, " repetitions")
                     : absl::StrCat(run.rounds, " parts of the time");
  };
  std::string text = WrapText(absl::StrFormat(
      "from, to: %.0f%% for all figures together, by resampling %s of A and %s of B; two runs of "
      "one configuration differ in any of them with a chance of %.0f%%.",
      100 * comparison.level, resampled(comparison.a), resampled(comparison.b),
      100 * (1 - comparison.level)));
  if (comparison.machine_change <= 0 || comparison.undecided()) return text;
  absl::StrAppend(&text, WrapText(absl::StrFormat(
                             "Changes of up to %.0f%% are not called, whatever their interval: the "
                             "machine's own speed "
                             "may explain them%s",
                             100 * comparison.machine_change,
                             comparison.a.whole && comparison.b.whole
                                 ? "."
                                 : ". Repetitions (load --repetitions 5) tell smaller ones.")));
  return text;
}

}  // namespace

std::string CompareReport(const LoadComparison& comparison, const std::string& a,
                          const std::string& b, bool all) {
  std::string text = Headline(comparison);
  absl::StrAppend(&text, FileLine("A", a), FileLine("B", b),
                  DifferencesText(comparison.differences), RunNotes("A", comparison.a),
                  RunNotes("B", comparison.b), "\n");
  for (const CompareVerdict verdict : kVerdictOrder) {
    absl::StrAppend(&text, VerdictTable(comparison, verdict, all));
  }
  absl::StrAppend(&text, MethodNote(comparison));
  if (!all) absl::StrAppend(&text, "Every figure: --all, or --json.\n");
  return text;
}

}  // namespace plumbline
