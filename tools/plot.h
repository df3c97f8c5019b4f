// Charts as pictures, drawn by gnuplot.
#ifndef PLUMBLINE_TOOLS_PLOT_H_
#define PLUMBLINE_TOOLS_PLOT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/chart.h"
#include "tools/chart_layout.h"

namespace plumbline {

struct PlotOptions {
  std::string program = "gnuplot";  // a path, or a name on PATH
  absl::Duration time_limit = absl::Seconds(30);
};

struct Picture {
  std::string svg;      // an <svg> element, to stand in a page
  int64_t omitted = 0;  // values that could not be drawn (ChartLayout)
};

// What gnuplot is given on its standard input: settings, labels, and the data in place.
std::string PlotScript(const Chart& chart, const ChartLayout& layout);

// `id` opens every id within the picture, and must be unique in a page: a letter, then letters and
// digits (else InvalidArgument). FailedPrecondition: no gnuplot here. DeadlineExceeded: it ran
// too long. Internal: it failed, or drew nothing that can be used. Thread-safe.
absl::StatusOr<Picture> DrawChart(const Chart& chart, absl::string_view id,
                                  const PlotOptions& options = {});

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PLOT_H_
