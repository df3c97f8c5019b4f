#include "tools/load_record.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>

namespace plumbline {

namespace {

constexpr std::array<double Anchors::*, 2> kFigures = {&Anchors::matmul_flops_per_second,
                                                       &Anchors::read_bytes_per_second};

}  // namespace

std::vector<AnchorMark> SmoothMarks(absl::Span<const AnchorMark> marks) {
  constexpr size_t kBeside = kMarksTogether / 2;
  std::vector<AnchorMark> smooth(marks.begin(), marks.end());
  for (size_t i = 0; i < marks.size(); ++i) {
    const size_t first = i - std::min(i, kBeside);
    const auto around = marks.subspan(first, i + kBeside + 1 - first);
    std::vector<Anchors> anchors;
    for (const AnchorMark& mark : around) anchors.push_back(mark.anchors);
    smooth[i].anchors = MedianAnchors(anchors);
  }
  return smooth;
}

double AnchorDrift(const RepetitionRecord& repetition) {
  const std::vector<AnchorMark> marks = SmoothMarks(repetition.anchor_marks);
  double drift = 0;
  for (const auto figure : kFigures) {
    if (repetition.anchors_before.has_value() && repetition.anchors_after.has_value()) {
      const double before = (*repetition.anchors_before).*figure;
      drift = std::max(drift, std::abs((*repetition.anchors_after).*figure / before - 1));
    }
    if (marks.empty()) continue;
    const auto less = [figure](const AnchorMark& a, const AnchorMark& b) {
      return a.anchors.*figure < b.anchors.*figure;
    };
    const auto [least, most] = std::minmax_element(marks.begin(), marks.end(), less);
    drift = std::max(drift, most->anchors.*figure / (least->anchors.*figure) - 1);
  }
  return drift;
}

std::vector<int64_t> SteadyRepetitions(const LoadRecord& record) {
  std::vector<int64_t> steady;
  for (int64_t i = 0; i < std::ssize(record.repetitions); ++i) {
    if (AnchorDrift(record.repetitions[i]) <= kMostDrift) steady.push_back(i);
  }
  return steady;
}

absl::StatusOr<Anchors> MeanAnchors(const LoadRecord& record) {
  Anchors sum;
  int taken = 0;
  const std::vector<int64_t> steady = SteadyRepetitions(record);
  for (const int64_t i : steady) {
    const RepetitionRecord& repetition = record.repetitions[i];
    for (const auto& anchors : {repetition.anchors_before, repetition.anchors_after}) {
      if (!anchors.has_value()) continue;
      sum.matmul_flops_per_second += anchors->matmul_flops_per_second;
      sum.read_bytes_per_second += anchors->read_bytes_per_second;
      ++taken;
    }
  }
  if (taken == 0) {
    return absl::FailedPreconditionError(
        steady.size() < record.repetitions.size()
            ? "the run is discarded, as the machine's anchors drifted by more than 10% in "
              "it: repeat it while nothing else runs"
            : "the run has no anchors: repeat it on the engine, without --no-predict");
  }
  return Anchors{sum.matmul_flops_per_second / taken, sum.read_bytes_per_second / taken};
}

const char* LoadOutcomeName(LoadOutcome outcome) {
  switch (outcome) {
    case LoadOutcome::kCompleted:
      return "completed";
    case LoadOutcome::kCancelled:
      return "cancelled";
    case LoadOutcome::kExpired:
      return "expired";
    case LoadOutcome::kRefused:
      return "refused";
    case LoadOutcome::kFailed:
      return "failed";
    case LoadOutcome::kUnfinished:
      return "unfinished";
  }
  return "unknown";
}

}  // namespace plumbline
