#include "tools/load_lengths.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <random>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace plumbline {
namespace {

absl::Status BadLengths(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("lengths \"", text, "\": ", why,
                   "; use N, uniform:A,B, normal:MEAN,SD, lognormal:MEAN,SD or file:PATH"));
}

bool IsLength(double value) {
  return value >= 1 && value <= static_cast<double>(kMostLength) && value == std::floor(value);
}

// The least and most tokens that a length can be said to have, in words.
std::string LengthRange() {
  return absl::StrCat("a length is a whole number from 1 to ", kMostLength);
}

}  // namespace

absl::StatusOr<LengthDistribution> LengthDistribution::Parse(absl::string_view text) {
  LengthDistribution lengths;
  lengths.text_ = std::string(text);
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  const bool named = absl::StrContains(text, ':');
  const absl::string_view kind = named ? parts.first : "fixed";
  const absl::string_view arguments = named ? parts.second : text;
  const absl::Status status = kind == "file" ? lengths.ReadLengths(std::string(arguments))
                                             : lengths.ParseNumbers(kind, arguments);
  if (!status.ok()) return status;
  return lengths;
}

absl::Status LengthDistribution::ParseNumbers(absl::string_view kind, absl::string_view arguments) {
  std::vector<double> numbers;
  for (const absl::string_view word : absl::StrSplit(arguments, ',')) {
    double number = 0;
    if (!absl::SimpleAtod(word, &number) || !std::isfinite(number)) {
      return BadLengths(text_, absl::StrCat("\"", word, "\" is no number"));
    }
    numbers.push_back(number);
  }
  const bool fixed = kind == "fixed";
  if (!fixed && kind != "uniform" && kind != "normal" && kind != "lognormal") {
    return BadLengths(text_, absl::StrCat("\"", kind, "\" is no distribution"));
  }
  const size_t wanted = fixed ? 1 : 2;
  if (numbers.size() != wanted) {
    return BadLengths(text_,
                      absl::StrCat(kind, " takes ", wanted, " numbers, not ", numbers.size()));
  }
  first_ = numbers[0];
  second_ = fixed ? 0 : numbers[1];
  if (fixed || kind == "uniform") {
    kind_ = fixed ? Kind::kFixed : Kind::kUniform;
    if (!IsLength(first_) || (!fixed && !IsLength(second_)))
      return BadLengths(text_, LengthRange());
    if (!fixed && second_ < first_) return BadLengths(text_, "the second number is the larger one");
    return absl::OkStatus();
  }
  kind_ = kind == "normal" ? Kind::kNormal : Kind::kLognormal;
  if (first_ < 1 || first_ > static_cast<double>(kMostLength)) {
    return BadLengths(text_, absl::StrCat("a mean lies from 1 to ", kMostLength));
  }
  if (second_ < 0 || second_ > static_cast<double>(kMostLength)) {
    return BadLengths(text_, absl::StrCat("a standard deviation lies from 0 to ", kMostLength));
  }
  return absl::OkStatus();
}

absl::Status LengthDistribution::ReadLengths(const std::string& path) {
  kind_ = Kind::kListed;
  std::ifstream in(path);
  if (!in) {
    return absl::NotFoundError(
        absl::StrCat("lengths file ", path, " cannot be read: check its name and permissions"));
  }
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const absl::string_view word = absl::StripAsciiWhitespace(line);
    if (word.empty() || word[0] == '#') continue;
    int64_t length = 0;
    if (!absl::SimpleAtoi(word, &length) || length < 1 || length > kMostLength) {
      return absl::InvalidArgumentError(
          absl::StrCat("lengths file ", path, ", line ", number, ": ", LengthRange()));
    }
    listed_.push_back(length);
  }
  if (listed_.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("lengths file ", path, " has no length: write one on each line"));
  }
  return absl::OkStatus();
}

int64_t LengthDistribution::Draw(LoadRandom& random) const {
  double length = first_;
  switch (kind_) {
    case Kind::kFixed:
      break;
    case Kind::kUniform:
      return std::uniform_int_distribution<int64_t>(static_cast<int64_t>(first_),
                                                    static_cast<int64_t>(second_))(random);
    case Kind::kNormal:
      length = std::normal_distribution<double>(first_, second_)(random);
      break;
    case Kind::kLognormal: {
      // mean = exp(mu + sigma^2 / 2), variance = (exp(sigma^2) - 1) mean^2, solved for both.
      const double sigma2 = std::log1p(second_ * second_ / (first_ * first_));
      length = std::lognormal_distribution<double>(std::log(first_) - sigma2 / 2,
                                                   std::sqrt(sigma2))(random);
      break;
    }
    case Kind::kListed:
      return listed_[std::uniform_int_distribution<size_t>(0, listed_.size() - 1)(random)];
  }
  return static_cast<int64_t>(
      std::clamp(std::round(length), 1.0, static_cast<double>(kMostLength)));
}

double LengthDistribution::mean() const {
  if (kind_ == Kind::kUniform) return (first_ + second_) / 2;
  if (kind_ != Kind::kListed) return first_;
  return std::accumulate(listed_.begin(), listed_.end(), 0.0) / static_cast<double>(listed_.size());
}

}  // namespace plumbline
