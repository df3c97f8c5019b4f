#include "tools/scale_text.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "engine/synthetic_spec.h"
#include "tools/table.h"

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

std::string ReachText(const Estimate& tokens) {
  if (std::isinf(tokens.value)) return "not reached";
  if (tokens.value == 0) return "before the first";
  return EstimateText(tokens);
}

std::string ShortModelName(absl::string_view model) {
  if (absl::ConsumePrefix(&model, kSyntheticPrefix)) return CutText(Printable(model), 40);
  const size_t slash = model.rfind('/');
  if (slash != absl::string_view::npos) model.remove_prefix(slash + 1);
  absl::ConsumeSuffix(&model, ".gguf");
  return CutText(Printable(model), 40);
}

}  // namespace plumbline
