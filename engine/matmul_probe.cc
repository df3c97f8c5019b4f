#include "engine/matmul_probe.h"

#include <array>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "engine/matmul.h"

namespace plumbline {

absl::StatusOr<std::string> ProbeMatmul(const ModelConfig& config, WeightDtype dtype, int threads,
                                        bool* rows_independent) {
  auto context = MatmulContext::Create(threads);
  if (!context.ok()) return context.status();
  const int64_t up = int64_t{1} * config.ffn * (config.feed_forward_matrices() - 1);
  const std::array<std::pair<int64_t, int64_t>, 5> shapes = {
      {{config.query_width() + 2 * config.kv_width(), config.width},
       {config.width, config.query_width()},
       {up, config.width},
       {config.width, config.ffn},
       {config.vocab, config.width}}};
  std::set<std::string> names;
  *rows_independent = true;
  for (const auto& [outputs, inputs] : shapes) {
    const auto implementation = (*context)->Probe(outputs, inputs, dtype);
    if (!implementation.ok()) return implementation.status();
    names.insert(implementation->name);
    *rows_independent = *rows_independent && implementation->rows_independent;
  }
  return absl::StrJoin(names, ", ");
}

}  // namespace plumbline
