#include "tools/load_slo.h"

#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace plumbline {
namespace {

absl::Status BadSlo(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("goals \"", text, "\": ", why,
                   "; write for example ttft=0.5,itl=50ms (keys ttft, tpot, itl, e2e)"));
}

double* SloField(LoadSlo& slo, absl::string_view key) {
  if (key == "ttft") return &slo.ttft;
  if (key == "tpot") return &slo.tpot;
  if (key == "itl") return &slo.itl;
  if (key == "e2e") return &slo.e2e;
  return nullptr;
}

}  // namespace

absl::StatusOr<LoadSlo> ParseSlo(absl::string_view text) {
  LoadSlo slo;
  slo.text = std::string(text);
  for (const absl::string_view goal : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(goal, absl::MaxSplits('=', 1));
    double* field = SloField(slo, absl::StripAsciiWhitespace(parts.first));
    if (field == nullptr) {
      return BadSlo(text, absl::StrCat("\"", parts.first, "\" is no key"));
    }
    if (std::isfinite(*field)) return BadSlo(text, absl::StrCat(parts.first, " comes twice"));
    absl::string_view number = absl::StripAsciiWhitespace(parts.second);
    const bool milliseconds = absl::ConsumeSuffix(&number, "ms");
    if (!milliseconds) absl::ConsumeSuffix(&number, "s");
    double seconds = 0;
    if (!absl::SimpleAtod(number, &seconds) || !(seconds > 0) || !std::isfinite(seconds)) {
      return BadSlo(text, absl::StrCat("\"", parts.second, "\" is no time above 0"));
    }
    *field = milliseconds ? seconds / 1000 : seconds;
  }
  return slo;
}

}  // namespace plumbline
