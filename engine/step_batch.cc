#include "engine/step_batch.h"

namespace plumbline {

void StepBatch::Clear() {
  token_ids.clear();
  positions.clear();
  spans.clear();
  block_ids.clear();
  num_logit_rows = 0;
}

void StepBatch::AddSpan(absl::Span<const int32_t> tokens, int first_position, int logit_rows,
                        absl::Span<const BlockId> table) {
  BatchSpan span;
  span.row = num_tokens();
  span.count = static_cast<int>(tokens.size());
  span.first_position = first_position;
  span.logit_rows = logit_rows;
  span.table = static_cast<int>(block_ids.size());
  span.blocks = static_cast<int>(table.size());
  spans.push_back(span);
  token_ids.insert(token_ids.end(), tokens.begin(), tokens.end());
  for (int i = 0; i < span.count; ++i) positions.push_back(first_position + i);
  block_ids.insert(block_ids.end(), table.begin(), table.end());
  num_logit_rows += logit_rows;
}

}  // namespace plumbline
