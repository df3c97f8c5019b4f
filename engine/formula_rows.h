// The rows of the catalogue, by theme; formula.h puts them together.
#ifndef PLUMBLINE_ENGINE_FORMULA_ROWS_H_
#define PLUMBLINE_ENGINE_FORMULA_ROWS_H_

#include <array>

#include "absl/types/span.h"
#include "engine/formula.h"

namespace plumbline {

absl::Span<const Formula> Article1WorkFormulas();
absl::Span<const Formula> Article1LimitFormulas();
absl::Span<const Formula> Article2Formulas();
absl::Span<const Formula> DerivedWorkFormulas();
absl::Span<const Formula> DerivedByteFormulas();

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_FORMULA_ROWS_H_
