// What the two articles claim in numbers, each claim beside its recomputed value: the audit.
//
// A claim is stored as it was written (its own digits say how precise it means to be) with an
// expression over the catalogue (engine/formula.h) that is evaluated when asked for, and a verdict:
//   agrees       equal at the claim's own precision, and within 1%
//   rounds       within 10%: a hedged or a cut number
//   contradicts  neither; or wrong by the source's own code, table or words
// DerivedVerdict applies the two limits. A verdict that it does not give is a judgement, marked
// `judged`, and `why` says on what grounds. Those are: all claims without a number; numbers within
// 10% that belie a cell of the article's own table or its own convention (C1_252, C1_69PCT,
// C1_17PCT, C1_45PCT, C1_GB_CONVENTION); and C1_K256, a nominal width whose mean is within 1%. What
// is compared with what is a choice too: `what` says it.
//
// External claims are about the world; nothing recomputes them, and `recompute` is what a formula
// makes of their number.
#ifndef PLUMBLINE_TOOLS_CLAIM_H_
#define PLUMBLINE_TOOLS_CLAIM_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/bounded.h"
#include "engine/formula.h"

namespace plumbline {

// In the order in which an audit prints them.
enum class Verdict { kContradicts, kRounds, kAgrees, kExternal };

// What is wrong with a claim that contradicts.
enum class ClaimKind {
  kNone,
  kNumber,           // differs from the source's own code, table or inputs
  kComparison,       // an order or a growth law is wrong
  kUnit,             // conventions mixed: a factor of 2, 1e9 and 1024^3
  kTerm,             // a term or factor that the source names is left out
  kBetweenArticles,  // the two articles disagree
};

struct Claim {
  absl::string_view id;
  absl::string_view section;
  absl::string_view what;     // in our words
  absl::string_view claimed;  // numbers with ";" between; empty: the claim has none
  absl::string_view unit;
  absl::string_view recompute;  // expressions with ";" between; empty: none (external claims)
  Verdict verdict = Verdict::kAgrees;
  ClaimKind kind = ClaimKind::kNone;
  bool judged = false;
  absl::string_view why;

  FormulaSource source() const {  // ids start with C1_, C2_, E1_ or E2_
    return id[1] == '1' ? FormulaSource::kArticle1 : FormulaSource::kArticle2;
  }
};

struct Recomputed {
  std::vector<double> claimed;
  std::vector<Bounded> values;
  std::vector<double> ratios;  // claimed over recomputed; empty where there is no claimed number
};

// In the articles' order, without the external ones; those. They live for ever.
std::vector<const Claim*> AllClaims();
std::vector<const Claim*> ExternalClaims();

// InvalidArgument where a number or expression cannot be read or has no value.
absl::StatusOr<Recomputed> Recompute(const Claim& claim);
// What the limits of 1% and 10% and the claim's digits make of it; nothing where it has no number.
// REQUIRES: `recomputed` is the claim's own.
std::optional<Verdict> DerivedVerdict(const Claim& claim, const Recomputed& recomputed);

absl::string_view VerdictName(Verdict verdict);   // "contradicts", "rounds", "agrees", "external"
absl::string_view ClaimKindName(ClaimKind kind);  // "number", ...; "" for none

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CLAIM_H_
