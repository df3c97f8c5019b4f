// The claims by theme; claim.h puts them together.
#ifndef PLUMBLINE_TOOLS_CLAIM_ROWS_H_
#define PLUMBLINE_TOOLS_CLAIM_ROWS_H_

#include <array>

#include "absl/types/span.h"
#include "tools/claim.h"

namespace plumbline {

absl::Span<const Claim> Article1CountClaims();
absl::Span<const Claim> Article1LimitClaims();
absl::Span<const Claim> Article1ShareClaims();
absl::Span<const Claim> Article2Claims();
absl::Span<const Claim> ExternalRows();

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CLAIM_ROWS_H_
