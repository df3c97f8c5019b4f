// One step's work as flat arrays: what the forward pass sees. Built once per step from the plan.
#ifndef PLUMBLINE_ENGINE_STEP_BATCH_H_
#define PLUMBLINE_ENGINE_STEP_BATCH_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "cache/block_pool.h"

namespace plumbline {

// `count` consecutive tokens of one sequence. A decode step is a span of one token: nothing else
// tells the two apart.
//
// Example: sequence A decodes its 18th token while 3 prompt tokens of B run; blocks of 16 tokens:
//   token_ids  [a17, b0, b1, b2]          positions [17, 0, 1, 2]
//   spans      {row 0, count 1, first 17, logit_rows 1, table 0, blocks 2},
//              {row 1, count 3, first 0,  logit_rows 0, table 2, blocks 1}
//   block_ids  [4, 9, 7]
struct BatchSpan {
  int row = 0;             // of its first token in token_ids
  int count = 0;           // tokens; at least 1
  int first_position = 0;  // of its first token; earlier positions are in the cache
  int logit_rows = 0;      // of its last tokens, how many want logits: 0 to count
  int table = 0;           // first entry of its block table in block_ids
  int blocks = 0;          // entries; enough for first_position + count tokens
};

struct StepBatch {
  std::vector<int32_t> token_ids;  // [num_tokens]
  std::vector<int32_t> positions;  // [num_tokens]
  std::vector<BatchSpan> spans;    // rows ascending, without gaps
  std::vector<BlockId> block_ids;  // all block tables, end to end
  int num_logit_rows = 0;          // sum of logit_rows; logits come in the order of the rows

  int num_tokens() const { return static_cast<int>(token_ids.size()); }
  absl::Span<const BlockId> blocks(const BatchSpan& span) const {
    return absl::MakeConstSpan(block_ids).subspan(span.table, span.blocks);
  }
  // Empties the arrays and keeps their room (a steady step allocates nothing).
  void Clear();
  // Appends one span. `tokens` are its token ids; `table` its whole block table.
  void AddSpan(absl::Span<const int32_t> tokens, int first_position, int logit_rows,
               absl::Span<const BlockId> table);
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_STEP_BATCH_H_
