// A page with pictures.
#ifndef PLUMBLINE_TOOLS_CHART_PAGE_H_
#define PLUMBLINE_TOOLS_CHART_PAGE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/chart.h"
#include "tools/html_page.h"
#include "tools/plot.h"

namespace plumbline {

// An HtmlPage whose charts are drawn as they come. The first error stays, and no chart after it is
// drawn. Not thread-safe.
class ChartPage : public HtmlPage {
 public:
  // `options` is not owned.
  ChartPage(absl::string_view title, absl::string_view lead, const PlotOptions& options)
      : HtmlPage(title, lead), options_(options) {}

  // The caption tells of values that could not be drawn.
  void AddChart(const Chart& chart, absl::string_view caption);

  // The whole page so far, or the first error of DrawChart.
  absl::StatusOr<std::string> Finish() const;

 private:
  const PlotOptions& options_;
  absl::Status status_;
  int pictures_ = 0;
};

// The two with a blank between them, where neither is empty.
std::string JoinedSentences(absl::string_view first, absl::string_view second);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CHART_PAGE_H_
