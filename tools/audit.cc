#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "tools/claim.h"
#include "tools/formulas_report.h"
#include "tools/table.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

struct AuditedClaim {
  const Claim* claim = nullptr;
  Recomputed recomputed;
};

struct Audit {
  std::vector<AuditedClaim> claims;  // by verdict
  std::array<int, 4> counts = {};    // by Verdict
};

absl::StatusOr<Audit> RunAudit(bool external) {
  std::vector<const Claim*> claims = AllClaims();
  if (external) {
    for (const Claim* claim : ExternalClaims()) claims.push_back(claim);
  }
  std::stable_sort(claims.begin(), claims.end(),
                   [](const Claim* a, const Claim* b) { return a->verdict < b->verdict; });
  Audit audit;
  for (const Claim* claim : claims) {
    absl::StatusOr<Recomputed> recomputed = Recompute(*claim);
    if (!recomputed.ok()) return recomputed.status();
    audit.claims.push_back({claim, *std::move(recomputed)});
    ++audit.counts[static_cast<size_t>(claim->verdict)];
  }
  return audit;
}

int Count(const Audit& audit, Verdict verdict) {
  return audit.counts[static_cast<size_t>(verdict)];
}

std::string AuditNumber(double value) {
  constexpr double kExactIntegers = 0x1p53;
  if (std::trunc(value) == value && std::abs(value) < kExactIntegers) {
    return FormatCount(static_cast<int64_t>(value));
  }
  return absl::StrFormat("%.6g", value);
}

std::string Numbers(const std::vector<double>& values) {
  return absl::StrJoin(values, "; ",
                       [](std::string* out, double value) { out->append(AuditNumber(value)); });
}

std::vector<double> ValuesOf(const Recomputed& recomputed) {
  std::vector<double> values;
  for (const Bounded& value : recomputed.values) values.push_back(value.value);
  return values;
}

std::string ClaimText(const AuditedClaim& audited) {
  const Claim& claim = *audited.claim;
  std::string head = absl::StrCat(claim.id, ": ", SourceName(claim.source()), ", ", claim.section);
  if (claim.kind != ClaimKind::kNone) absl::StrAppend(&head, " [", ClaimKindName(claim.kind), "]");
  if (claim.judged) absl::StrAppend(&head, " [judged]");
  std::vector<std::string> figures;
  const std::string unit = claim.unit.empty() ? "" : absl::StrCat(" ", claim.unit);
  if (!audited.recomputed.claimed.empty()) {
    figures.push_back(absl::StrCat(Numbers(audited.recomputed.claimed), unit, " claimed"));
  }
  if (!audited.recomputed.values.empty()) {
    // A formula makes something else of an external number, in a unit of its own.
    const bool external = claim.verdict == Verdict::kExternal;
    const bool name_unit = figures.empty() && !external;
    figures.push_back(absl::StrCat(Numbers(ValuesOf(audited.recomputed)), name_unit ? unit : "",
                                   external ? " by formula" : " recomputed"));
  }
  const std::string values =
      figures.empty() ? "" : absl::StrCat(": ", absl::StrJoin(figures, ", "));
  return absl::StrCat(WrapText(head, 4), "  ",
                      WrapText(absl::StrCat(claim.what, values), 4, kTerminalColumns - 2), "  ",
                      WrapText(claim.why, 4, kTerminalColumns - 2), "\n");
}

Json ClaimJson(const AuditedClaim& audited) {
  const Claim& claim = *audited.claim;
  Json errors = Json::array();
  for (const Bounded& value : audited.recomputed.values) errors.push_back(value.error);
  return {{"id", std::string(claim.id)},
          {"source", std::string(SourceName(claim.source()))},
          {"section", std::string(claim.section)},
          {"what", std::string(claim.what)},
          {"claimed", audited.recomputed.claimed},
          {"unit", std::string(claim.unit)},
          {"recompute", std::string(claim.recompute)},
          {"recomputed", ValuesOf(audited.recomputed)},
          {"error_bounds", errors},
          {"ratio", audited.recomputed.ratios},
          {"verdict", std::string(VerdictName(claim.verdict))},
          {"kind", std::string(ClaimKindName(claim.kind))},
          {"judged", claim.judged},
          {"why", std::string(claim.why)}};
}

}  // namespace

absl::StatusOr<std::string> AuditText(bool external) {
  const absl::StatusOr<Audit> audit = RunAudit(external);
  if (!audit.ok()) return audit.status();
  const int contradict = Count(*audit, Verdict::kContradicts);
  const int round = Count(*audit, Verdict::kRounds);
  const int agree = Count(*audit, Verdict::kAgrees);
  std::string out = WrapText(absl::StrCat(
      contradict + round + agree, " claims of the two articles: ", contradict, " contradict, ",
      round, " round, ", agree, " agree. Agree: equal at the claim's own precision and within 1%. ",
      "Round: within 10%. [judged]: a verdict that these limits do not give."));
  std::optional<Verdict> verdict;
  for (const AuditedClaim& audited : audit->claims) {
    if (verdict != audited.claim->verdict) {
      verdict = audited.claim->verdict;
      absl::StrAppend(&out, "\n== ", VerdictName(*verdict), " (", Count(*audit, *verdict),
                      ") ==\n\n");
    }
    absl::StrAppend(&out, ClaimText(audited));
  }
  return out;
}

absl::StatusOr<std::string> AuditJson(bool external) {
  const absl::StatusOr<Audit> audit = RunAudit(external);
  if (!audit.ok()) return audit.status();
  Json counts = Json::object();
  for (const Verdict verdict :
       {Verdict::kContradicts, Verdict::kRounds, Verdict::kAgrees, Verdict::kExternal}) {
    counts[std::string(VerdictName(verdict))] = Count(*audit, verdict);
  }
  Json claims = Json::array();
  for (const AuditedClaim& audited : audit->claims) claims.push_back(ClaimJson(audited));
  return Json({{"counts", counts}, {"claims", claims}}).dump(2) + "\n";
}

}  // namespace plumbline
