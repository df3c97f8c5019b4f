#include "tools/load_page_tables.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "tools/load_tables.h"
#include "tools/table.h"

namespace plumbline {

std::string LoadStartText(const LoadRecord& record) {
  if (record.unix_seconds <= 0) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::FromUnixSeconds(record.unix_seconds),
                          absl::UTCTimeZone());
}

std::vector<std::string> LoadFindings(const LoadSlo& slo, const LoadMetrics& metrics) {
  std::vector<std::string> findings;
  const LoadDistribution& ttft = metrics.Distribution("ttft");
  const LoadDistribution& itl = metrics.Distribution("itl");
  const auto describe = [&findings](absl::string_view what, const LoadDistribution& one) {
    if (one.samples == 0) return;
    const Estimate& median = one.percentiles.front();
    const Estimate& p99 = one.percentiles.back();
    findings.push_back(absl::StrCat(
        what, median.known() ? absl::StrCat(FormatSeconds(median.value), " at the median, ") : "",
        p99.known() ? absl::StrCat(FormatSeconds(p99.value), " at the 99th percentile, ") : "",
        FormatSeconds(one.max), " at most."));
  };
  describe("Time to the first token: ", ttft);
  if (ttft.mean.value > 0 && metrics.Distribution("queue").samples == ttft.samples) {
    std::vector<std::string> parts;
    parts.reserve(kFirstTokenParts.size());
    for (const char* part : kFirstTokenParts) {
      parts.push_back(absl::StrFormat(
          "%.0f%% %s", 100 * metrics.Distribution(part).mean.value / ttft.mean.value, part));
    }
    findings.push_back(absl::StrCat("Of that time: ", parts[0], ", ", parts[1], ", ", parts[2],
                                    ", ", parts[3], "."));
  }
  describe("Time between two tokens: ", itl);
  findings.push_back(absl::StrCat(FigureText(metrics.Figure("requests").value.value, false),
                                  " requests per second completed, with ",
                                  FigureText(metrics.Figure("output").value.value, false),
                                  " output tokens per second."));
  if (!slo.text.empty()) {
    findings.push_back(absl::StrCat(FigureText(metrics.Figure("good").value.value, true),
                                    " of the requests met the goals ", slo.text, "."));
  }
  return findings;
}

HtmlTable LatencyHtml(const LoadRecord& record, const LoadMetrics& metrics) {
  constexpr size_t kP95 = 3;  // column of LatencyRow that a phone has no room for
  HtmlTable table;
  table.caption = absl::StrCat("Times. \u00b1: ", IntervalNote(record, metrics));
  table.columns = {"", "mean", "p50", "p90", "p99", "max"};
  const auto add = [&table](const std::string& label, const std::vector<std::string>& cells) {
    std::vector<std::string>& row = table.rows.emplace_back();
    row.push_back(label);
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i != kP95) row.push_back(cells[i]);
    }
  };
  for (const LatencyRow& row : LatencyRows(metrics)) {
    add(row.part ? absl::StrCat("\u2013\u00a0", row.label) : row.label, row.values);
    add("\u00b1", row.half_widths);
  }
  return table;
}

HtmlTable RatesHtml(const LoadMetrics& metrics) {
  HtmlTable table;
  table.caption = "Rates and use; from and to are the ends of the 95% interval.";
  table.columns = {"", "value", "from", "to"};
  for (const RateRow& row : RateRows(metrics)) {
    table.rows.push_back({row.label, row.value, row.from, row.to});
  }
  return table;
}

HtmlTable StepsHtml(const LoadRecord& record) {
  HtmlTable table;
  table.caption = record.target == "engine"
                      ? "Predicted: the forward pass alone; a step also plans and samples."
                      : "";
  table.columns = {"steps"};
  for (const std::string& column : StepColumns(record)) table.rows.push_back({column});
  for (const StepRow& row : StepRows(record)) {
    table.columns.push_back(row.label);
    for (size_t i = 0; i < row.cells.size(); ++i) table.rows[i].push_back(row.cells[i]);
  }
  return table;
}

HtmlTable SettingsHtml(const LoadRecord& record, const LoadSlo& slo, const LoadMetrics& metrics) {
  HtmlTable table;
  table.columns = {"setting", "value"};
  table.text_columns = 2;
  double warm_up = 0;
  for (const RepetitionRecord& repetition : record.repetitions) {
    warm_up = std::max(warm_up, repetition.warm_up_seconds);
  }
  table.rows = {
      {"model", record.model},
      {"target", record.target},
      {"weights, cache", absl::StrCat(record.weights, ", ", record.kv_dtype)},
      {"threads", absl::StrCat(record.threads)},
      {"workload", record.workload},
      {"seed, salt",
       absl::StrCat(record.seed, ", ", record.salt == 0 ? "none" : absl::StrCat(record.salt))},
      {"scheduler", PolicyText(record)},
      {"cache", CacheText(record)},
      {"goals", slo.text.empty() ? "none" : slo.text},
      {"requests", RequestCounts(record, metrics)},
      {"repetitions",
       absl::StrCat(record.repetitions.size(), ", of which discarded: ", metrics.rounds.discarded)},
      {"warm-up left out", warm_up > 0 ? absl::StrCat("up to ", FormatSeconds(warm_up)) : "none"},
      {"begun", LoadStartText(record)}};
  return table;
}

HtmlTable SlowestHtml(absl::Span<const FirstTokenTime> times, bool many_repetitions) {
  constexpr size_t kMostRows = 8;
  HtmlTable table;
  table.caption = absl::StrCat("The slowest to their first token",
                               many_repetitions ? "; numbers: repetition/request." : ".");
  table.columns = {"request", "prompt", "total"};
  // Parts that nobody had would only cost room.
  std::vector<size_t> parts;
  for (size_t part = 0; part < kFirstTokenParts.size(); ++part) {
    if (std::none_of(times.begin(), times.end(),
                     [part](const FirstTokenTime& time) { return time.parts[part] > 0; })) {
      continue;
    }
    parts.push_back(part);
    table.columns.emplace_back(kFirstTokenParts[part]);
  }
  for (size_t i = times.size(); i > 0 && table.rows.size() < kMostRows; --i) {
    const FirstTokenTime& time = times[i - 1];
    table.rows.push_back({many_repetitions ? absl::StrCat(time.repetition + 1, "/", time.request)
                                           : absl::StrCat(time.request),
                          FormatCount(time.prompt_tokens), FormatSeconds(time.ttft)});
    for (const size_t part : parts) {
      table.rows.back().push_back(FormatSeconds(time.parts[part]));
    }
  }
  return table;
}

}  // namespace plumbline
