// How long prompts and outputs are: one text for each, e.g. "lognormal:512,256".
#ifndef PLUMBLINE_TOOLS_LOAD_LENGTHS_H_
#define PLUMBLINE_TOOLS_LOAD_LENGTHS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/load_random.h"

namespace plumbline {

inline constexpr int64_t kMostLength = int64_t{1} << 24;  // tokens

// Immutable; Draw is thread-safe for generators of the caller's own.
class LengthDistribution {
 public:
  // All of one token.
  LengthDistribution() = default;
  // "128" or "fixed:128"; "uniform:A,B" (whole numbers, both ends included); "normal:M,S" and
  // "lognormal:M,S" (M, S: mean and standard deviation of the lengths themselves); "file:PATH" (one
  // length on each line, drawn evenly; blank lines and lines that begin with # are skipped).
  // InvalidArgument for other texts, and lengths outside 1 to kMostLength (lines are named);
  // NotFound for a file that cannot be read.
  static absl::StatusOr<LengthDistribution> Parse(absl::string_view text);

  // At least 1 and at most kMostLength: draws beyond are set to these ends.
  int64_t Draw(LoadRandom& random) const;
  // Of the distribution before that.
  double mean() const;
  // As Parse took it.
  const std::string& text() const { return text_; }

 private:
  enum class Kind : uint8_t { kFixed, kUniform, kNormal, kLognormal, kListed };

  absl::Status ParseNumbers(absl::string_view kind, absl::string_view arguments);
  absl::Status ReadLengths(const std::string& path);

  Kind kind_ = Kind::kFixed;
  double first_ = 1;   // the length, the least, or the mean
  double second_ = 0;  // the most, or the standard deviation
  std::vector<int64_t> listed_;
  std::string text_ = "1";
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_LENGTHS_H_
