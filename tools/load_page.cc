#include "tools/load_page.h"

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/chart_page.h"
#include "tools/load_charts.h"
#include "tools/load_levels.h"
#include "tools/load_page_tables.h"
#include "tools/load_report.h"
#include "tools/load_tables.h"
#include "tools/table.h"

namespace plumbline {
namespace {

// Without its folders, which the settings show.
std::string ModelFileName(const std::string& model) {
  const size_t slash = model.rfind('/');
  return Printable(slash == std::string::npos ? model : model.substr(slash + 1));
}

std::string PageLead(const LoadRecord& record) {
  const std::string start = LoadStartText(record);
  return absl::StrCat(record.target == "engine"
                          ? "plumbline load on this engine"
                          : absl::StrCat("plumbline load, ", record.target, " in virtual time"),
                      ", weights ", record.weights, ", cache ", record.kv_dtype, ", ",
                      FormatThreads(record.threads), start.empty() ? "" : ", ", start, ".");
}

std::optional<double> ItlTarget(const LoadRecord& record) {
  for (const auto& [name, value] : record.policy) {
    double seconds = 0;
    if (name == "itl_target" && absl::SimpleAtod(value, &seconds)) return seconds;
  }
  return std::nullopt;
}

// Adds sections.
class LoadPageWriter {
 public:
  LoadPageWriter(const LoadRecord& record, const LoadSlo& slo, const LoadMetrics& metrics,
                 const PlotOptions& options)
      : record_(record),
        slo_(slo),
        metrics_(metrics),
        page_(absl::StrCat("Load on ", ModelFileName(record.model)), PageLead(record), options) {}

  absl::StatusOr<std::string> Run() {
    const std::vector<std::string> warnings = LoadWarnings(record_, metrics_);
    if (!warnings.empty()) page_.AddHeading("Warnings");
    page_.AddList(warnings);
    page_.AddHeading("Findings");
    page_.AddList(LoadFindings(slo_, metrics_));
    AddLatencies();
    AddWaterfall();
    AddTimelines();
    AddPredictions();
    page_.AddHeading("Settings");
    page_.AddTable(SettingsHtml(record_, slo_, metrics_));
    page_.AddDetails("The report as the terminal shows it", LoadReport(record_, slo_, metrics_));
    return page_.Finish();
  }

 private:
  void AddLatencies() {
    page_.AddHeading("How long requests took");
    const LoadRounds rounds = CollectRounds(record_, slo_);
    const Chart chart = LatencyChart(rounds.samples);
    if (chart.series.empty()) {
      page_.AddParagraph("No request completed after warm-up.");
    } else {
      page_.AddChart(chart,
                     "Each curve rises with the share of samples that took no longer. Warm-up is "
                     "left out; latencies count from the intended send.");
    }
    page_.AddTable(LatencyHtml(record_, metrics_));
    page_.AddTable(RatesHtml(metrics_));
  }

  void AddWaterfall() {
    page_.AddHeading("Where the time to the first token went");
    const std::vector<FirstTokenTime> times = FirstTokenTimes(record_);
    if (times.empty()) {
      page_.AddParagraph(record_.repetitions.empty() || metrics_.rounds.completed == 0
                             ? "No request completed after warm-up."
                             : kNoSteps);
      return;
    }
    const auto count = static_cast<int64_t>(times.size());
    page_.AddChart(
        WaterfallChart(times),
        absl::StrCat(times.size() > kMostWaterfallBars
                         ? absl::StrCat(kMostWaterfallBars, " of ", FormatCount(count),
                                        " requests, chosen evenly from the fastest to the slowest")
                         : absl::StrCat("All ", FormatCount(count), " requests"),
                     ". Shares are of the time of all. Queue: until the first step with its "
                     "tokens; prefill: in steps with its tokens; stalled: it held blocks, but none "
                     "of its tokens ran; preempted: its blocks were given away."));
    page_.AddTable(SlowestHtml(times, record_.repetitions.size() > 1));
  }

  void AddTimelines() {
    page_.AddHeading("Over time");
    const std::vector<const RepetitionRecord*> counted = CountedRepetitions(record_);
    if (counted.empty()) {
      page_.AddParagraph("Nothing ran.");
      return;
    }
    const RepetitionRecord& shown = *counted.front();
    if (record_.repetitions.size() > 1) {
      page_.AddParagraph(absl::StrCat("These pictures show repetition ",
                                      &shown - record_.repetitions.data() + 1, " of ",
                                      record_.repetitions.size(), "."));
    }
    const LoadLevels levels = TotalLevels(LevelsByReplica(shown));
    const std::string means = absl::StrCat(
        " Means over ", FormatSeconds(shown.end_seconds / kLevelParts), " each are drawn.");
    page_.AddChart(
        RunningWaitingChart(levels, shown.end_seconds, shown.warm_up_seconds),
        absl::StrCat("Running: holds blocks of the cache. Waiting: was to be sent, and holds "
                     "none.",
                     DrawsMeans(levels.running) || DrawsMeans(levels.waiting) ? means : ""));
    const double blocks =
        static_cast<double>(record_.blocks) * static_cast<double>(record_.replicas);
    if (blocks > 0 && !levels.blocks.empty()) {
      page_.AddChart(
          CacheChart(levels.blocks, blocks, shown.end_seconds),
          absl::StrCat("Of ", CacheText(record_), ".", DrawsMeans(levels.blocks) ? means : ""));
    }
    AddStalls(shown);
  }

  void AddStalls(const RepetitionRecord& shown) {
    page_.AddHeading("Stalls");
    const std::vector<StallPart> stalls = FindStalls(shown);
    if (stalls.empty()) {
      page_.AddParagraph("No request had two tokens.");
      return;
    }
    page_.AddChart(
        StallChart(stalls, ItlTarget(record_)),
        absl::StrCat("In each of ", kStallParts,
                     " equal parts of the time: the longest gap between two tokens of any "
                     "request, and the median of all gaps. Parts without gaps have no marks."));
  }

  void AddPredictions() {
    page_.AddHeading("Steps");
    const std::vector<StepRow> rows = StepRows(record_);
    if (rows.empty()) {
      page_.AddParagraph(kNoSteps);
      return;
    }
    page_.AddTable(StepsHtml(record_));
    const std::vector<PredictedSeries> series = PredictedSteps(record_);
    if (record_.target == "simulation") {
      page_.AddParagraph("In virtual time steps take what is predicted.");
    } else if (series.empty()) {
      page_.AddParagraph("No times were predicted: see plumbline calibrate.");
    } else {
      page_.AddChart(
          PredictedStepsChart(series),
          absl::StrCat("On the diagonal both agree; the grey band is 10% either way. At most ",
                       kMostStepMarks, " steps of a kind are shown, chosen evenly."));
    }
  }

  const LoadRecord& record_;
  const LoadSlo& slo_;
  const LoadMetrics& metrics_;
  ChartPage page_;
};

}  // namespace

absl::StatusOr<std::string> LoadPage(const LoadRecord& record, const LoadSlo& slo,
                                     const LoadMetrics& metrics, const PlotOptions& options) {
  return LoadPageWriter(record, slo, metrics, options).Run();
}

}  // namespace plumbline
