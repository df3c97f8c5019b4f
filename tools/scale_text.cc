#include "tools/scale_text.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "engine/synthetic_spec.h"

namespace plumbline {

std::string FigureText(double value) {
  if (std::isnan(value)) return "-";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (std::abs(value) >= 1e6) return FormatSi(value);
  if (std::abs(value) >= 999.5) return FormatCount(std::llround(value));
  return absl::StrFormat("%.3g", value);
}

std::string EstimateText(const Estimate& estimate) {
  if (std::isnan(estimate.low) || std::isnan(estimate.high)) return FigureText(estimate.value);
  return absl::StrCat(FigureText(estimate.value), " [", FigureText(estimate.low), ", ",
                      FigureText(estimate.high), "]");
}

std::string SecondsText(const Estimate& seconds) {
  const auto text = [](double value) { return FormatSeconds(std::isnan(value) ? -1 : value); };
  if (std::isnan(seconds.low)) return text(seconds.value);
  return absl::StrCat(text(seconds.value), " [", text(seconds.low), ", ", text(seconds.high), "]");
}

Cell FigureCell(double value) { return Cell::Text(FigureText(value)); }
Cell EstimateCell(const Estimate& estimate) { return Cell::Text(EstimateText(estimate)); }

std::string ReachText(const Estimate& tokens) {
  if (std::isinf(tokens.value)) return "not reached";
  if (tokens.value == 0) return "before the first";
  return EstimateText(tokens);
}

std::string ShortModelName(absl::string_view model) {
  if (absl::ConsumePrefix(&model, kSyntheticPrefix)) {
    std::vector<absl::string_view> keys = absl::StrSplit(model, ',');
    keys.erase(
        std::remove_if(keys.begin(), keys.end(),
                       [](absl::string_view key) { return absl::StartsWith(key, "context="); }),
        keys.end());
    return CutText(Printable(absl::StrJoin(keys, ",")), 40);
  }
  const size_t slash = model.rfind('/');
  if (slash != absl::string_view::npos) model.remove_prefix(slash + 1);
  absl::ConsumeSuffix(&model, ".gguf");
  return CutText(Printable(model), 40);
}

}  // namespace plumbline
