#include "tools/claim.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/expression.h"
#include "tools/claim_rows.h"

namespace plumbline {
namespace {

constexpr double kAgreesWithin = 0.01;
constexpr double kRoundsWithin = 0.1;

std::vector<absl::string_view> SplitParts(absl::string_view text) {
  return absl::StrSplit(text, ';', absl::SkipWhitespace());
}

// What one unit of the last digit written is worth: 0.1 for "2.5", 1e8 for "1.6e9".
double LastDigit(absl::string_view number) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(absl::StripAsciiWhitespace(number), absl::MaxSplits('e', 1));
  int exponent = 0;
  if (!parts.second.empty() && !absl::SimpleAtoi(parts.second, &exponent)) return 0;
  const size_t point = parts.first.find('.');
  if (point != absl::string_view::npos) {
    exponent -= static_cast<int>(parts.first.size() - point - 1);
  }
  return std::pow(10.0, exponent);
}

Verdict VerdictOn(absl::string_view written, double claimed, double recomputed) {
  const double off = std::abs(claimed - recomputed);
  const double size = std::abs(recomputed);
  const bool same_digits = off < LastDigit(written) / 2;
  if (same_digits && off <= kAgreesWithin * size) return Verdict::kAgrees;
  return off <= kRoundsWithin * size ? Verdict::kRounds : Verdict::kContradicts;
}

std::vector<const Claim*> Pointers(absl::Span<const Claim> rows, std::vector<const Claim*> claims) {
  for (const Claim& claim : rows) claims.push_back(&claim);
  return claims;
}

}  // namespace

std::vector<const Claim*> AllClaims() {
  std::vector<const Claim*> claims = Pointers(Article1CountClaims(), {});
  claims = Pointers(Article1LimitClaims(), std::move(claims));
  claims = Pointers(Article1ShareClaims(), std::move(claims));
  return Pointers(Article2Claims(), std::move(claims));
}

std::vector<const Claim*> ExternalClaims() { return Pointers(ExternalRows(), {}); }

absl::StatusOr<Recomputed> Recompute(const Claim& claim) {
  Recomputed result;
  for (const absl::string_view number : SplitParts(claim.claimed)) {
    double value = 0;
    if (!absl::SimpleAtod(number, &value)) {
      return absl::InvalidArgumentError(absl::StrCat(claim.id, ": ", number, " is no number"));
    }
    result.claimed.push_back(value);
  }
  for (const absl::string_view expression : SplitParts(claim.recompute)) {
    const absl::StatusOr<Bounded> value = Evaluate(expression, {});
    if (!value.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(claim.id, ": ", value.status().message()));
    }
    result.values.push_back(*value);
  }
  if (claim.verdict == Verdict::kExternal || result.claimed.empty()) return result;
  if (result.claimed.size() != result.values.size()) {
    return absl::InvalidArgumentError(absl::StrCat(claim.id, ": one value a number is needed"));
  }
  for (size_t i = 0; i < result.claimed.size(); ++i) {
    result.ratios.push_back(result.claimed[i] / result.values[i].value);
  }
  return result;
}

std::optional<Verdict> DerivedVerdict(const Claim& claim, const Recomputed& recomputed) {
  if (recomputed.ratios.empty()) return std::nullopt;
  const std::vector<absl::string_view> written = SplitParts(claim.claimed);
  Verdict worst = Verdict::kAgrees;
  for (size_t i = 0; i < written.size(); ++i) {
    const Verdict verdict =
        VerdictOn(written[i], recomputed.claimed[i], recomputed.values[i].value);
    worst = std::min(worst, verdict);  // the worse comes first
  }
  return worst;
}

absl::string_view VerdictName(Verdict verdict) {
  constexpr absl::string_view kNames[] = {"contradicts", "rounds", "agrees", "external"};
  return kNames[static_cast<size_t>(verdict)];
}

absl::string_view ClaimKindName(ClaimKind kind) {
  constexpr absl::string_view kNames[] = {"",     "number", "comparison",
                                          "unit", "term",   "between articles"};
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace plumbline
