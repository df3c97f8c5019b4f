// Every formula of the two articles (A1_..., A2_...), and those derived from them (D_...), each in
// one place: formulas_*.cc. A formula is a line of text that is both printed and evaluated
// (expression.h); where it builds on another it calls it. A formula that an article states itself
// is kept as stated, also where another states the same.
//
// Conventions. Both articles count multiply-accumulates (MAC) and call them FLOPs; here work is in
// MAC, and FLOPs = 2 MAC. "Full square" is all n^2 pairs of a head, "causal" n (n + 1) / 2. GB is
// 1e9 and GiB 1024^3 bytes. Widths are of all heads together unless a formula says "one head".
// "All L layers live" adds up layers that training keeps; inference holds one at a time.
//
// The catalogue is constant: all functions are pure and thread-safe.
#ifndef PLUMBLINE_ENGINE_FORMULA_H_
#define PLUMBLINE_ENGINE_FORMULA_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/bounded.h"
#include "engine/expression.h"

namespace plumbline {

enum class FormulaSource { kArticle1, kArticle2, kDerived };

// What a formula's value counts.
enum class Unit {
  kMacs,
  kOperations,  // of several kinds, or not multiply-accumulates; see Formula::mac_expression
  kFlops,
  kBytes,
  kGib,
  kPairs,
  kTokens,
  kPositions,
  kElements,
  kWeights,
  kSteps,
  kSeconds,
  kMilliseconds,
  kTokensPerSecond,
  kPercent,
  kRatio,
  kAsGiven,       // the unit of an input
  kProportional,  // right up to a constant that is not given
};

struct Formula {
  absl::string_view id = "";
  FormulaSource source = FormulaSource::kDerived;
  absl::string_view section = "";     // of the article; empty where derived
  absl::string_view expression = "";  // over the names of Symbols()
  Unit unit = Unit::kRatio;
  absl::string_view returns = "";
  absl::string_view conventions = "";
  absl::string_view notes = "";
  absl::string_view mac_expression = "";  // of kOperations: the part that is MAC; empty: none
};

// A name that formulas use, always with this meaning.
struct Symbol {
  absl::string_view name;
  absl::string_view unit;
  absl::string_view meaning;  // may be empty
};

// All formulas: article 1, article 2, derived.
std::vector<const Formula*> AllFormulas();
// The formula of this id, or null. It lives for ever.
const Formula* FindFormula(absl::string_view id);
absl::Span<const Symbol> Symbols();
const Symbol* FindSymbol(absl::string_view name);

// The names that a formula needs, in the order in which it uses them.
std::vector<absl::string_view> FormulaVariables(const Formula& formula);
// "n (tokens), d (elements)".
std::string DescribeVariables(const Formula& formula);

absl::string_view SourceName(FormulaSource source);  // "article 1", "article 2", "derived"
absl::string_view UnitName(Unit unit);               // "MAC", "bytes", ...

// The formula's value for these values of its variables, with a bound on its error (bounded.h).
// InvalidArgument, naming the variables that are needed, where one is missing, unknown, given
// twice, not finite or negative, and where the value overflows, divides by zero or falls below
// zero.
absl::StatusOr<Bounded> EvaluateFormula(const Formula& formula,
                                        absl::Span<const Argument> arguments);
// The same by id; NotFound where there is no such formula.
absl::StatusOr<Bounded> EvaluateFormula(absl::string_view id, absl::Span<const Argument> arguments);

// What a value of work comes to. FLOPs count 2 for a MAC and 1 for any other operation.
struct Work {
  Bounded macs;
  Bounded flops;
};
// REQUIRES: the formula counts kMacs, or kOperations with a mac_expression; `value` is its value
// for `arguments`. Same errors as EvaluateFormula.
absl::StatusOr<Work> WorkOf(const Formula& formula, const Bounded& value,
                            absl::Span<const Argument> arguments);
bool CountsWork(const Formula& formula);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_FORMULA_H_
