#include "tools/scale.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/limit_probe.h"
#include "engine/machine.h"
#include "engine/replacing_file.h"
#include "scheduler/clock.h"
#include "spdlog/spdlog.h"
#include "tools/html_page.h"
#include "tools/interrupt.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/scale_analysis.h"
#include "tools/scale_files.h"
#include "tools/scale_findings_json.h"
#include "tools/scale_measure.h"
#include "tools/scale_notes.h"
#include "tools/scale_page.h"
#include "tools/scale_report.h"
#include "tools/scale_roofline.h"
#include "tools/scale_setup.h"
#include "tools/scale_summary.h"
#include "tools/stats.h"

namespace plumbline {
namespace {

constexpr int64_t kParts = 10000;  // of the whole study, for its progress

// Each type in turn with f32, so that a machine that drifts does so for both.
absl::StatusOr<double> MeasureOverF32(WeightDtype dtype, int threads) {
  constexpr int kRepetitions = 9;
  const AnchorSizes sizes;
  const auto f32 =
      MatmulProbe::Create(threads, WeightDtype::kF32, sizes.outputs, sizes.inputs, sizes.rows);
  if (!f32.ok()) return f32.status();
  const auto other = MatmulProbe::Create(threads, dtype, sizes.outputs, sizes.inputs, sizes.rows);
  if (!other.ok()) return other.status();
  std::vector<double> ratios;
  for (int i = -1; i < kRepetitions; ++i) {  // the first one warms up
    const double base = (*f32)->Rate();
    const double ratio = (*other)->Rate() / base;
    if (i >= 0) ratios.push_back(ratio);
  }
  return Median(ratios);
}

// What a study that goes on has already stays.
absl::Status MeasureMatmuls(int threads, ScaleStudy& study) {
  for (const WeightDtype dtype : DtypesBesideF32(study.data)) {
    const bool known = std::any_of(study.matmuls.begin(), study.matmuls.end(),
                                   [dtype](const MatmulOverF32& m) { return m.dtype == dtype; });
    if (known) continue;
    const absl::StatusOr<double> ratio = MeasureOverF32(dtype, threads);
    if (!ratio.ok()) return ratio.status();
    study.matmuls.push_back({dtype, *ratio});
  }
  return absl::OkStatus();
}

// OK, Cancelled, or what went wrong; `setup.study` then holds what there is.
absl::Status MeasureInto(ScaleSetup& setup) {
  const InterruptScope interrupt;
  const auto cancelled = [&interrupt] { return interrupt.interrupted(); };
  setup.measure.engine.cancelled = cancelled;
  const absl::StatusOr<std::unique_ptr<AnchorProbe>> anchors =
      AnchorProbe::Create(setup.measure.engine.threads);
  if (!anchors.ok()) return anchors.status();
  absl::Status matmuls = MeasureMatmuls(setup.measure.engine.threads, setup.study);
  if (!matmuls.ok()) return matmuls;
  setup.measure.engine.measure_anchors = [&anchors] { return (*anchors)->Measure(); };
  Progress progress("measuring", kParts);
  ScaleMeasureHooks hooks;
  hooks.cancelled = cancelled;
  hooks.progress = [&progress](const std::string& what, double part) {
    progress.SetWhat("measuring " + what);
    progress.Set(std::llround(part * static_cast<double>(kParts)));
  };
  hooks.save = [&setup] {
    return setup.folder.empty() ? absl::OkStatus() : WriteScaleFiles(setup.folder, setup.study);
  };
  const SteadyClock clock;
  absl::Status measured = MeasureStudy(setup.measure, setup.plan, clock, hooks, setup.study);
  if (measured.ok()) return measured;
  const absl::Status saved = hooks.save();
  return absl::IsCancelled(measured) && !saved.ok() ? saved : measured;
}

// Without gnuplot there is no page; the samples are kept all the same.
absl::Status WriteScalePage(const std::string& folder, const ScaleStudy& study,
                            const ScaleFindings& findings) {
  const absl::StatusOr<std::string> page = ScalePage(ScaleReport(study, findings));
  if (absl::IsFailedPrecondition(page.status())) {
    spdlog::warn("no page is written: {}", std::string(page.status().message()));
    return absl::OkStatus();
  }
  if (!page.ok()) return page.status();
  return ReplaceFile(absl::StrCat(folder, "/page.html"), *page);
}

}  // namespace

absl::Status RunScale(const ScaleOptions& options, std::ostream& out) {
  absl::StatusOr<ScaleSetup> setup = PrepareScale(options);
  if (!setup.ok()) return setup.status();
  absl::Status measured = MeasureInto(*setup);
  if (!measured.ok() && !absl::IsCancelled(measured)) return measured;

  ScaleAnalysisOptions analysis;
  analysis.free_memory_bytes = DetectMachine().free_memory_bytes;
  const absl::StatusOr<ScaleFindings> findings = AnalyseScale(setup->study.data, analysis);
  if (!findings.ok()) return findings.status();
  if (!setup->folder.empty()) {
    absl::Status written = WriteScaleFindings(setup->folder, *findings);
    if (!written.ok()) return written;
    if (absl::Status status = WriteScalePage(setup->folder, setup->study, *findings);
        !status.ok()) {
      return status;
    }
  }
  out << (options.json ? ScaleResultJson(setup->study, *findings)
                       : absl::StrCat(ScaleSummary(*findings, options.verbose),
                                      ScaleNotes(setup->study, setup->folder)));
  const absl::Status written = FlushOutput(out);
  return written.ok() ? measured : written;
}

}  // namespace plumbline
