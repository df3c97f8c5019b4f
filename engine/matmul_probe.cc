#include "engine/matmul_probe.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "engine/matmul.h"
#include "engine/process_memory.h"

namespace plumbline {
namespace {

// {outputs, inputs} of QKV, output, up (and gate), down, head.
std::array<std::pair<int64_t, int64_t>, 5> MatrixShapes(const ModelConfig& config) {
  const int64_t up = int64_t{1} * config.ffn * (config.feed_forward_matrices() - 1);
  return {{{config.query_width() + 2 * config.kv_width(), config.width},
           {config.width, config.query_width()},
           {up, config.width},
           {config.width, config.ffn},
           {config.vocab, config.width}}};
}

}  // namespace

absl::StatusOr<std::string> ProbeMatmul(const ModelConfig& config, WeightDtype dtype, int threads,
                                        bool* rows_independent) {
  auto context = MatmulContext::Create(threads);
  if (!context.ok()) return context.status();
  std::set<std::string> names;
  *rows_independent = true;
  for (const auto& [outputs, inputs] : MatrixShapes(config)) {
    const auto implementation = (*context)->Probe(outputs, inputs, dtype);
    if (!implementation.ok()) return implementation.status();
    names.insert(implementation->name);
    *rows_independent = *rows_independent && implementation->rows_independent;
  }
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<MatmulFootprint> MeasureMatmulFootprint(const ModelConfig& config, WeightDtype dtype,
                                                       int threads) {
  // Pages that are free but resident would take the growth.
  ReleaseFreeMemory();
  const absl::StatusOr<int64_t> before = AnonymousResidentBytes();
  if (!before.ok()) return before.status();
  auto context = MatmulContext::Create(threads);
  if (!context.ok()) return context.status();
  MatmulFootprint footprint;
  footprint.blocked = footprint.packed_as_read = true;
  for (const auto& [outputs, inputs] : MatrixShapes(config)) {
    const auto implementation = (*context)->Probe(outputs, inputs, dtype);
    if (!implementation.ok()) return implementation.status();
    footprint.blocked = footprint.blocked && implementation->blocked;
    footprint.packed_as_read = footprint.packed_as_read && implementation->packed_as_read;
  }
  footprint.scratch_bytes = (*context)->scratch_bytes();
  ReleaseFreeMemory();
  const absl::StatusOr<int64_t> after = AnonymousResidentBytes();
  if (!after.ok()) return after.status();
  footprint.compiled_bytes = std::max<int64_t>(0, *after - *before - footprint.scratch_bytes);
  return footprint;
}

}  // namespace plumbline
