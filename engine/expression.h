// Arithmetic in one line of text: the form in which the catalogue (formula.h) keeps its formulas,
// so that what is printed is what is computed.
//
//   sum      = product {("+" | "-") product}
//   product  = power {("*" | "/") power}          "/" is real division
//   power    = term ["^" digit]
//   term     = number | name | "-" term | "(" sum ")"
//            | function "(" sum {"," sum} ")"     min, max, floor, ceil, sqrt, log2
//            | formula "(" [bindings] ")"         a formula of the catalogue
//   bindings = binding {"," binding}
//   binding  = name "=" sum | name                the latter short for name = name
//
// All functions are pure and thread-safe.
#ifndef PLUMBLINE_ENGINE_EXPRESSION_H_
#define PLUMBLINE_ENGINE_EXPRESSION_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/bounded.h"

namespace plumbline {

// A named value. Does not own its name.
struct Argument {
  absl::string_view name;
  Bounded value;
};

// The value of `text` where the names in it mean `arguments`, with its error bound. InvalidArgument
// where the text is no expression, a name or formula is unknown, something is divided by zero or a
// result is not finite.
absl::StatusOr<Bounded> Evaluate(absl::string_view text, absl::Span<const Argument> arguments);

// The values of bindings, after `arguments`; each may use those before it. The names are views into
// `text`. Same errors as Evaluate.
absl::StatusOr<std::vector<Argument>> EvaluateBindings(absl::string_view text,
                                                       std::vector<Argument> arguments);

// The names whose values an expression needs, and the formulas it calls, in order of appearance,
// each once, as views into `text`.
std::vector<absl::string_view> NeededNames(absl::string_view text);
std::vector<absl::string_view> CalledFormulas(absl::string_view text);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_EXPRESSION_H_
