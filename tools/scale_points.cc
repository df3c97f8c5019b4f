// The steps and costs of one point.
#include <algorithm>

#include "engine/rounding.h"
#include "tools/scale_sweeps.h"

namespace plumbline {
namespace {

constexpr double kMacsPerByte = 4;  // products a machine makes while it reads a byte, roughly

}  // namespace

std::vector<std::vector<SpanShape>> PointSteps(const ScalePoint& point) {
  std::vector<std::vector<SpanShape>> steps;
  if (point.chunk == 0) {
    steps.emplace_back(static_cast<size_t>(point.streams), SpanShape{point.tokens - 1, 1, 1});
    return steps;
  }
  for (int64_t first = 0; first < point.tokens; first += point.chunk) {
    const int64_t count = std::min(point.chunk, point.tokens - first);
    const int64_t logit_rows = first + count == point.tokens ? 1 : 0;
    steps.emplace_back(static_cast<size_t>(point.streams), SpanShape{first, count, logit_rows});
  }
  return steps;
}

int64_t PointCacheTokens(const ScalePoint& point) {
  return point.streams * RoundUp(point.tokens, point.shape.block_tokens);
}

double PointCost(const ScalePoint& point) {
  double cost = 0;
  for (const std::vector<SpanShape>& step : PointSteps(point)) {
    for (const SpanShape& span : step) {
      cost += static_cast<double>(SpanMacs(point.shape, span).TotalExecuted());
    }
    cost += kMacsPerByte * static_cast<double>(Total(StepBytes(point.shape, step)));
  }
  return cost;
}

}  // namespace plumbline
