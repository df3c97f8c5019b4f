// The tables of `plumbline bench`.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/bench.h"
#include "tools/table.h"

namespace plumbline {
namespace {

std::string BenchRateText(const BenchResult& result) {
  if (result.samples.empty()) return "-";
  const BenchSpread rate = TokensPerSecond(result);
  return absl::StrFormat("%.2f ± %.2f", rate.mean, rate.deviation);
}

// Percent, with two digits where there are that few.
std::string BenchPercent(double share) {
  const double percent = 100 * share;
  return percent < 9.95 ? absl::StrFormat("%.2g", percent) : absl::StrFormat("%.0f", percent);
}

// "89% (88 to 90)": median and quartiles.
std::string BenchShareText(const BenchResult& result) {
  if (result.samples.empty()) return "-";
  const BenchSpread share = AttainableShare(result);
  return absl::StrCat(BenchPercent(share.median), "% (", BenchPercent(share.first_quartile), " to ",
                      BenchPercent(share.third_quartile), ")");
}

std::string BenchWorkText(const BenchResult& result, double per_token) {
  return result.samples.empty() ? "-" : FormatSi(per_token);
}

std::string BenchModelName(const BenchGroup& group) {
  return Printable(group.name.empty() ? group.setup.model : group.name);
}

std::string BenchTitle(const BenchGroup& group) {
  // One word, which would not be wrapped.
  std::string title = absl::StrCat(CutText(BenchModelName(group), kTerminalColumns - 1),
                                   ", weights ", WeightDtypeName(group.setup.weights));
  if (group.weight_bytes > 0) {
    absl::StrAppend(&title, " ", FormatSi(static_cast<double>(group.weight_bytes)), "B, ",
                    FormatSi(static_cast<double>(group.parameters)), " parameters");
  }
  absl::StrAppend(&title, ", cache ", KvDtypeName(group.setup.kv_dtype), ", ",
                  FormatThreads(group.setup.threads));
  return WrapText(title);
}

std::string BenchGroupTable(const BenchGroup& group) {
  Table table({"test", "t/s", "attainable", "bound", "B/token", "MAC/token"});
  table.SetLeastWidths({18, 15, 16, 6, 7, 9});
  for (const BenchResult& result : group.results) {
    table.AddRow({Cell::Text(BenchTestName(result.test)), Cell::Text(BenchRateText(result)),
                  Cell::Text(BenchShareText(result)), Cell::Text(BenchBound(result)),
                  Cell::Text(BenchWorkText(result, BytesPerToken(result))),
                  Cell::Text(BenchWorkText(result, MacsPerToken(result)))});
  }
  return table.ToString();
}

// The medians of all limits of a group.
std::string BenchLimitsText(const BenchGroup& group) {
  std::vector<double> matmul, read;
  for (const BenchResult& result : group.results) {
    for (const BenchSample& sample : result.samples) {
      matmul.push_back(sample.limits.matmul_flops_per_second);
      read.push_back(sample.limits.read_bytes_per_second);
    }
  }
  if (matmul.empty()) return "";
  return absl::StrFormat("limits: %s matmul %sFLOP/s, read %sB/s (medians)",
                         WeightDtypeName(group.setup.weights), FormatSi(SpreadOf(matmul).median),
                         FormatSi(SpreadOf(read).median));
}

std::string BenchCountsText(const BenchRun& run) {
  int64_t tests = 0, apart = 0;
  for (const BenchGroup& group : run.groups) {
    for (const BenchResult& result : group.results) {
      if (result.samples.empty()) continue;
      ++tests;
      if (!result.counts.agree()) ++apart;
    }
  }
  if (tests == 0) return "Nothing was measured.";
  if (apart == 0) return "Counted operations and bytes equal their formulas in every test.";
  return absl::StrCat("Counted operations or bytes differ from their formulas in ", apart, " of ",
                      tests, " tests: this is a fault, please report it; --json has the figures.");
}

std::string BenchNotes(const BenchRun& run) {
  std::string notes = WrapText(absl::StrCat(
      "t/s: mean ± standard deviation. attainable: the time at this run's own limits, measured "
      "before and after each repetition (the larger of bytes over the memory rate and operations "
      "over the matmul rate), over the time taken; median and quartiles. Above 100%: the data "
      "stayed in the cores' caches. Depths hold seeded values. ",
      BenchCountsText(run)));
  if (run.interrupted) absl::StrAppend(&notes, "Interrupted: this is what there is.\n");
  return notes;
}

std::string BenchLeftOutText(const BenchGroup& group, absl::string_view indent) {
  std::string text;
  for (const BenchLeftOut& left : group.left_out) {
    absl::StrAppend(&text, indent,
                    WrapText(absl::StrCat("left out: ", BenchTestName(left.test), " ", left.reason),
                             indent.size() + 2, kTerminalColumns - indent.size()));
  }
  return text;
}

std::string MarkdownRow(const std::vector<std::string>& cells) {
  std::vector<std::string> escaped;
  escaped.reserve(cells.size());
  for (const std::string& cell : cells) {
    escaped.push_back(absl::StrReplaceAll(cell, {{"|", "\\|"}}));
  }
  return absl::StrCat("| ", absl::StrJoin(escaped, " | "), " |\n");
}

}  // namespace

std::string BenchTable(const BenchRun& run) {
  std::string out;
  for (const BenchGroup& group : run.groups) {
    if (group.results.empty() && group.left_out.empty()) continue;  // interrupted before it began
    absl::StrAppend(&out, BenchTitle(group));
    if (!group.results.empty()) absl::StrAppend(&out, BenchGroupTable(group));
    if (const std::string limits = BenchLimitsText(group); !limits.empty()) {
      absl::StrAppend(&out, limits, "\n");
    }
    absl::StrAppend(&out, BenchLeftOutText(group, ""), "\n");
  }
  return absl::StrCat(out, BenchNotes(run));
}

std::string BenchMarkdown(const BenchRun& run) {
  std::string out = MarkdownRow({"model", "size", "params", "weights", "cache", "threads", "test",
                                 "t/s", "attainable", "bound", "B/token", "MAC/token"});
  absl::StrAppend(&out, "| --- | ---: | ---: | --- | --- | ---: | ---: | ---: | ---: | --- | ---: ",
                  "| ---: |\n");
  std::string below;
  for (const BenchGroup& group : run.groups) {
    for (const BenchResult& result : group.results) {
      absl::StrAppend(
          &out, MarkdownRow({BenchModelName(group),
                             absl::StrCat(FormatSi(static_cast<double>(group.weight_bytes)), "B"),
                             FormatSi(static_cast<double>(group.parameters)),
                             std::string(WeightDtypeName(group.setup.weights)),
                             std::string(KvDtypeName(group.setup.kv_dtype)),
                             absl::StrCat(group.setup.threads), BenchTestName(result.test),
                             BenchRateText(result), BenchShareText(result), BenchBound(result),
                             BenchWorkText(result, BytesPerToken(result)),
                             BenchWorkText(result, MacsPerToken(result))}));
    }
    if (const std::string limits = BenchLimitsText(group); !limits.empty()) {
      absl::StrAppend(&below, "- ", BenchModelName(group), ", ", FormatThreads(group.setup.threads),
                      ", ", limits, "\n");
    }
    for (const BenchLeftOut& left : group.left_out) {
      absl::StrAppend(&below, "- ", BenchModelName(group), ", left out: ", BenchTestName(left.test),
                      " ", left.reason, "\n");
    }
  }
  return absl::StrCat(out, "\n", below, below.empty() ? "" : "\n", BenchNotes(run));
}

}  // namespace plumbline
