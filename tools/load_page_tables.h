// The tables and sentences of a load test's page.
#ifndef PLUMBLINE_TOOLS_LOAD_PAGE_TABLES_H_
#define PLUMBLINE_TOOLS_LOAD_PAGE_TABLES_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tools/html_page.h"
#include "tools/load_charts.h"
#include "tools/load_metrics.h"
#include "tools/load_record.h"
#include "tools/load_slo.h"

namespace plumbline {

// What the figures say, in sentences.
std::vector<std::string> LoadFindings(const LoadSlo& slo, const LoadMetrics& metrics);

// When the run was begun; empty where nobody knows.
std::string LoadStartText(const LoadRecord& record);

HtmlTable LatencyHtml(const LoadRecord& record, const LoadMetrics& metrics);
HtmlTable RatesHtml(const LoadMetrics& metrics);
HtmlTable StepsHtml(const LoadRecord& record);
HtmlTable SettingsHtml(const LoadRecord& record, const LoadSlo& slo, const LoadMetrics& metrics);
// The slowest requests to their first token. REQUIRES: `times` has the fastest first.
HtmlTable SlowestHtml(absl::Span<const FirstTokenTime> times, bool many_repetitions);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_PAGE_TABLES_H_
