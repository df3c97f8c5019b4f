// The article's table of the longest sequences that GPUs hold, beside what an engine reaches that
// keeps one layer's scores, and what one reaches that stores no scores at all.
#ifndef PLUMBLINE_TOOLS_PLAN_ARTICLE_H_
#define PLUMBLINE_TOOLS_PLAN_ARTICLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/memory_plan.h"
#include "tools/plan.h"

namespace plumbline {

// Of memory, the part that the article gives to attention.
inline constexpr double kArticleSafety = 0.7;

struct ArticleRow {
  std::string name;
  int64_t memory_bytes = 0;
  int64_t all_layers = 0;   // A1_MAX_SEQ: every layer's scores live at once, as in training
  int64_t one_layer = 0;    // A1_MAX_SEQ with L = 1: layers run one after another
  int64_t cache_bound = 0;  // no scores: the same share of memory holds a 2-byte cache
  int64_t engine = 0;       // no scores: all of the memory holds this engine and its cache
};

// The longest single sequence in each memory. Errors of EvaluateFormula. REQUIRES: as PlanMemory.
absl::StatusOr<ArticleRow> LongestSequences(const MemoryShape& shape, const std::string& name,
                                            int64_t memory_bytes);
// The GPUs that the article lists, and the wished memory where it is not 0.
absl::StatusOr<std::vector<ArticleRow>> ArticleRows(const MemoryShape& shape, int64_t wish_bytes);

// The table as `plumbline plan --article` prints it, as text or JSON. Errors of MakePlan.
absl::StatusOr<std::string> ArticleText(const PlanOptions& options);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PLAN_ARTICLE_H_
